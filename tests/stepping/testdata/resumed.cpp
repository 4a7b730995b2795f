// Prints the line that resumes a coroutine.
#include <coroutine>
#include <cstdio>

static volatile int line;

struct Task {
    struct promise_type {
        Task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() {}
    };
    std::coroutine_handle<promise_type> handle;
};

static Task resumed(int n) {
    for (int i = 0; i < n; i++)
        line++, line--;
    co_return;
}

int main(int argc, char **argv) {
    Task t = resumed(argc);
    line = __LINE__, t.handle.resume();
    printf("%d\n", line);
    return 0;
}
