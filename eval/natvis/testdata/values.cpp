// One value of each kind of the standard library's small types. The program
// writes what each should show, and says "ready".
#include <any>
#include <atomic>
#include <chrono>
#include <complex>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>
#if __has_include(<expected>)
#include <expected>
#endif

using namespace std::chrono_literals;
namespace chrono = std::chrono;
struct Point { int x, y; };
struct Big { int words[20]; };

std::any anyint = 5, anytext = std::string("any"), anynone, anypoint = Point{1, 2}, anybig = Big{{7}};
std::optional<int> some = 5, none;
std::optional<std::string> sometext = "opt";
std::variant<int, std::string, Point> var0 = 7, var1 = "text";
std::variant<char, short, int, long, float, double, bool, std::string, Point, std::vector<int>, unsigned, std::optional<int>> varlate{std::in_place_index<9>, {1, 2}};
std::pair<int, std::string> couple = {1, "b"};
std::tuple<int, double, std::string> triple = {1, 2.5, "c"};
std::tuple<int, int, int, int, int, int, int> seven = {1, 2, 3, 4, 5, 6, 7};
std::unique_ptr<int> uniq = std::make_unique<int>(11), nouniq;
std::shared_ptr<int> shared = std::make_shared<int>(12), shared2 = shared, noshared;
std::weak_ptr<int> weak = shared, expired = std::make_shared<int>(1);
int twice(int x) { return 2 * x; }
std::function<int(int)> func = twice, nofunc;
int target = 4;
std::reference_wrapper<int> refwrap = target;
chrono::nanoseconds nanos{5};
chrono::milliseconds millis{1500};
chrono::seconds secs{-3};
chrono::minutes mins{2};
chrono::hours hours{7};
chrono::days days{9};
chrono::weeks weeks{2};
chrono::duration<double> half{0.5};
chrono::duration<int, std::ratio<1, 30>> frames{3};
chrono::system_clock::time_point when{1709251198s};
chrono::sys_seconds whens{1709251198s}, before{-1s};
chrono::sys_days whend{chrono::days{19782}};
chrono::year year{2024};
chrono::month month{2};
chrono::day day{29};
chrono::weekday wday{4};
chrono::year_month_day ymd{chrono::year{2024}, chrono::month{2}, chrono::day{29}};
std::filesystem::path path = "/tmp/x y";
std::string_view view = "view";
std::u16string_view view16 = u"wide";
std::wstring_view wview = L"wide";
std::complex<double> cplx{1, 2};
std::atomic<int> atom{3};
std::atomic<bool> atomb{true};
std::atomic_flag flag = ATOMIC_FLAG_INIT;
std::mutex open, locked;
std::recursive_mutex rec;
std::error_code good, bad = std::make_error_code(std::errc::no_such_file_or_directory);
std::exception_ptr noexc, exc;
std::thread nothread;
std::vector<int> ints = {10, 20, 30};
std::list<int> lst = {5, 6};
std::forward_list<int> fwd = {8, 9};
std::deque<int> deq = {3, 4};
std::set<int> ordered = {1, 2};
std::map<int, std::string> mapped = {{4, "four"}};
std::unordered_map<int, int> hashed = {{6, 7}};
std::unordered_set<int> hashset = {8};
std::vector<bool> bits = {false, true};
std::vector<int>::iterator ivec = ints.begin() + 1;
std::vector<int>::reverse_iterator irev = ints.rbegin();
std::list<int>::iterator ilst = lst.begin();
std::forward_list<int>::iterator ifwd = fwd.begin();
std::deque<int>::iterator ideq = deq.begin() + 1;
std::set<int>::iterator iset = ordered.begin();
std::map<int, std::string>::iterator imap = mapped.begin();
std::unordered_map<int, int>::iterator ihash = hashed.begin();
std::unordered_set<int>::iterator ihset = hashset.begin();
std::string text = "str";
std::string::iterator istr = text.begin() + 1;
#if defined(__cpp_lib_expected)
std::expected<int, std::string> hoped = 5, missed = std::unexpected<std::string>("no");
#endif

void is(const char *name, const char *text) { printf("%s\t=\t%s\n", name, text); }

int main() {
    locked.lock();
    rec.lock();
    flag.test_and_set();
    try { throw std::runtime_error("boom"); } catch (...) { exc = std::current_exception(); }
    is("anyint", "5"), is("anytext", "\"any\""), is("anynone", "empty"), is("anypoint", "{x=1, y=2} [Point]"), is("anybig", "{...}");
    is("some", "5"), is("none", "nullopt"), is("sometext", "\"opt\"");
    is("var0", "{ index=0, value=7 }"), is("var1", "{ index=1, value=\"text\" }"), is("varlate", "{ index=9, value={ size=2 } }");
    is("couple", "(1, \"b\")"), is("triple", "(1, 2.5, \"c\")"), is("seven", "(1, 2, 3, 4, 5, 6, 7)");
    is("uniq", "unique_ptr 11"), is("nouniq", "empty"), is("shared", "shared_ptr 12 [2 strong, 1 weak refs]"), is("noshared", "empty");
    is("weak", "weak_ptr 12 [2 strong, 1 weak refs]"), is("expired", "expired"), is("nofunc", "empty"), is("refwrap", "4");
    is("nanos", "5 nanoseconds"), is("millis", "1500 milliseconds"), is("secs", "-3 seconds"), is("mins", "2 minutes"), is("hours", "7 hours");
    is("days", "9 days"), is("weeks", "2 weeks"), is("half", "0.5 seconds"), is("frames", "3 * 1/30 seconds");
    is("when", "2024-02-29 23:59:58 UTC"), is("whens", "2024-02-29 23:59:58 UTC"), is("before", "1969-12-31 23:59:59 UTC"), is("whend", "2024-02-29");
    is("year", "2024"), is("month", "2"), is("day", "29"), is("wday", "Thursday"), is("ymd", "2024-02-29");
    is("path", "\"/tmp/x y\""), is("view", "\"view\""), is("view16", "\"wide\""), is("wview", "\"wide\"");
    is("cplx", "1 + 2i"), is("atom", "3"), is("atomb", "true"), is("flag", "true");
    is("open", "unlocked"), is("locked", "locked"), is("good", "0 (no error)"), is("bad", "2");
    is("noexc", "null"), is("exc", "St13runtime_error"), is("nothread", "not running");
    is("ivec", "20"), is("irev", "30"), is("ilst", "5"), is("ifwd", "8"), is("ideq", "4"), is("iset", "1"), is("imap", "(4, \"four\")");
    is("ihash", "(6, 7)"), is("ihset", "8"), is("istr", "116 't'");
#if !defined(_LIBCPP_VERSION)
    is("rec", "locked"); // libc++ need not describe it
#endif
#if defined(__cpp_lib_expected)
    is("hoped", "5"), is("missed", "unexpected \"no\"");
#endif
    puts("ready");
    fflush(stdout);
    getchar();
    _Exit(0);
}
