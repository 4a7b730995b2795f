#include <string>
#include <vector>

struct Shape { int kind = 1; double radius = 2.5; const char *note = "a note that is long enough to be cut where a line of text ends"; };

int main() {
    Shape shape;
    std::string text(300, 'x');
    std::vector<int> numbers = {1, 2, 3};
    return shape.kind + numbers[0] - (int)text.size();
}
