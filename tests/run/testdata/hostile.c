/* Bytes that are no text in what it writes, in its variables and in its thread's name. */
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct record { char name[16]; const char *text; };

static int use(struct record *r, int *nowhere) { return *nowhere + r->name[0]; }

int main(void)
{
    static const char all[] = "start \xff\xfe \x1b[31mred\x1b[0m \0 ]]> <a&b> \r\n::error::injected\nend";
    struct record r = {"\xff\xfe]]>\x1b[31m", "::error::text\n::error::more \xc3\x28"};
    prctl(PR_SET_NAME, "\x1b[31m\xc3");
    write(1, all, sizeof all - 1);
    return use(&r, 0);
}
