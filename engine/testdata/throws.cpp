// Throws what debuggers are asked to stop at; TestThrows says in which order.
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

namespace app {
struct Error : std::runtime_error {
    int code;
    Error(const std::string &text, int code) : std::runtime_error(text), code(code) {}
};
struct Plain {
    int n;
};
struct Mixed : Plain, std::exception {
};
} // namespace app

static int again()
{
    try {
        throw app::Error("disk is full", 28);
    } catch (const std::exception &) {
        throw;
    }
}

static int kept()
{
    std::exception_ptr p;
    try {
        throw std::out_of_range("seven");
    } catch (...) {
        p = std::current_exception();
    }
    std::rethrow_exception(p);
}

template <typename F> static int guard(F f)
{
    try {
        return f();
    } catch (...) {
        return 1;
    }
}

int main()
{
    int n = 0;
    n += guard([]() -> int { throw 42; });
    n += guard([]() -> int { throw "text"; });
    n += guard([]() -> int { throw app::Plain{3}; });
    n += guard([]() -> int { throw app::Mixed(); });
    n += guard([]() -> int { throw std::bad_alloc(); });
    n += guard(again);
    n += guard(kept);
    return n == 7 ? 0 : n;
}
