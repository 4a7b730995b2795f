// C++20 coroutines: a generator that is resumed, one within another, and one that
// throws.
#include <coroutine>
#include <exception>

struct Generator {
    struct promise_type {
        int value = 0;
        std::exception_ptr error;
        Generator get_return_object() { return Generator{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(int v) {
            value = v;
            return {};
        }
        void return_void() {}
        void unhandled_exception() { error = std::current_exception(); }
    };
    std::coroutine_handle<promise_type> handle;
    bool next() {
        handle.resume();
        if (handle.promise().error)
            std::rethrow_exception(handle.promise().error);
        return !handle.done();
    }
    int value() const { return handle.promise().value; }
};

static Generator numbers(int from, int to) { // gdb: strange-blocks
    for (int i = from; i < to; i++) {
        int twice = i * 2;
        co_yield twice;
    }
}

static Generator sums(int n) {
    int total = 0;
    Generator inner = numbers(0, n);
    while (inner.next()) {
        total += inner.value();
        co_yield total;
    }
    inner.handle.destroy();
}

static Generator throws() {
    co_yield 1;
    throw 2;
}

int main() {
    int s = 0;
    Generator g = numbers(1, 3);
    while (g.next())
        s += g.value();
    g.handle.destroy();
    Generator h = sums(2);
    while (h.next()) {
        int v = h.value();
        s += v;
    }
    h.handle.destroy();
    Generator t = throws();
    try {
        while (t.next())
            s += t.value();
    } catch (int e) {
        s += e; // gdb: thrown-past
    }
    t.handle.destroy();
    return s == 0;
}
