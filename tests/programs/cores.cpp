// Threads that wait, and one that writes where nothing is.
#include <pthread.h>
#include <unistd.h>
#include <string>
#include <vector>
#include <map>
thread_local int mine = 7;
struct Node { int value; Node *next; std::string name; };
static pthread_barrier_t gate;
static int shared[4] = {1, 2, 3, 4};
extern const char *const message;
const char *const message = "in read only data";
double ratio = 2.5;
__attribute__((noinline)) void *wait_here(void *arg) {
    long n = (long)arg;
    mine = 100 + n;
    float local = n * 1.5f;
    pthread_barrier_wait(&gate);
    for (;;) pause();
    return (void *)(long)local;
}
__attribute__((noinline)) int broken(Node *head, int depth) {
    std::vector<int> numbers{1, 2, 3};
    if (depth > 0) return broken(head->next, depth - 1) + numbers[0];
    volatile int *p = (volatile int *)0x10;
    *p = depth;
    return numbers[1];
}
int main(int argc, char **argv) {
    pthread_barrier_init(&gate, nullptr, 4);
    pthread_t t[3];
    for (long i = 0; i < 3; i++) pthread_create(&t[i], nullptr, wait_here, (void *)i);
    Node c{3, nullptr, "third"}, b{2, &c, "second"}, a{1, &b, "first"};
    std::map<int, std::string> table{{1, "one"}, {2, "two"}};
    pthread_barrier_wait(&gate);
    return broken(&a, 2) + table.size();
}
