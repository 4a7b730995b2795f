// What the checks in the workbench debug. They find lines by the words in the
// comments. `stay` runs until it is ended, `fork` starts a worker.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

struct Item {
    std::string name;
    int count;
    double price;
};

static double total(const std::vector<Item> &items, double rate)
{
    double sum = 0; // total begins
    for (const Item &item : items)
        sum += item.count * item.price; // each item
    return sum * rate; // result
}

static int count(int limit)
{
    int counted = 0;
    for (int i = 0; i < limit; i++)
        counted += i; // counting
    return counted; // counted
}

static int shop()
{
    std::vector<Item> items = {{"apple", 3, 0.5}, {"bread", 1, 2.25}, {"cheese", 2, 4}};
    std::map<std::string, int> shelf = {{"apple", 40}, {"bread", 7}, {"cheese", 11}};
    char label[16] = "ORANGES";
    int sold = 0;
    double bill = total(items, 1.5); // call
    for (const Item &item : items) {
        shelf[item.name] -= item.count;
        sold += item.count; // sell
    }
    int sum = count(1000); // loop
    std::printf("sold %d for %.2f, label %s, sum %d\n", sold, bill, label, sum); // print
    std::fflush(stdout);
    return 0;
}

static int stay()
{
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); // any debugger may attach
    for (unsigned long beats = 0;; beats++)
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // beating
}

static int work(int job)
{
    int done = job * 2; // at work
    return done;
}

static int spawn()
{
    pid_t worker = fork();
    if (worker == 0)
        _exit(work(21));
    int status = 0;
    waitpid(worker, &status, 0); // waiting
    std::printf("worker ended with %d\n", WEXITSTATUS(status));
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!std::strcmp(what, "stay"))
        return stay();
    if (!std::strcmp(what, "fork"))
        return spawn();
    return shop();
}
