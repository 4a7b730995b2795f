// Variables that are too large for a report.
#include <map>
#include <string>
#include <vector>

struct table { int cells[1000][1000]; std::string name; };
static table grid;

static int use(const table &all, const std::vector<std::string> &names, const std::map<int, std::vector<int>> &index, const std::string &text, int *nowhere)
{
    int local[4096] = {1, 2, 3};
    return *nowhere + local[1] + all.cells[0][0] + (int)(names.size() + index.size() + text.size());
}

int main()
{
    std::vector<std::string> names(100000, std::string(1000, 'n'));
    std::map<int, std::vector<int>> index;
    for (int k = 0; k < 1000; k++)
        index[k] = std::vector<int>(1000, k);
    return use(grid, names, index, std::string(1 << 20, 't'), nullptr);
}
