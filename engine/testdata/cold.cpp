// Functions with cold parts that the compiler puts elsewhere, where frames are
// made otherwise than in the hot ones.
#include <stdexcept>
#include <string>

volatile int sink;

__attribute__((noinline)) int check(int a, int b, const std::string &what) {
  int kept[8] = {a, b};
  for (int i = 2; i < 8; i++)
    kept[i] = kept[i - 1] * a + kept[i - 2];
  if (kept[7] > 1000)
    throw std::range_error(what + " of " + std::to_string(kept[7]));
  sink = kept[7];
  return kept[a & 7] + b;
}

__attribute__((noinline)) int tries(int a) {
  std::string name("a number whose text is long enough to be allocated");
  try {
    return check(a, a + 1, name) + check(a + 1, a, name);
  } catch (const std::range_error &e) {
    sink = e.what()[0];
    return -1;
  }
}

int main() { return tries(1) + tries(7) == 0; }
