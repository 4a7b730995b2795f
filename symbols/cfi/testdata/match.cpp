// A C++ program with exceptions, cold parts and templates of the library.
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

static std::map<std::string, std::vector<int>> seen;

__attribute__((noinline)) int note(const std::string &word, int line) {
  if (word.size() > 100)
    throw std::length_error("a word of " + std::to_string(word.size()));
  seen[word].push_back(line);
  return seen.at(word).size();
}

int main(int argc, char **argv) {
  try {
    for (int i = 1; i < argc; i++)
      note(argv[i], i);
    std::cout << seen.at("none").size();
  } catch (const std::out_of_range &e) {
    std::cout << e.what() << '\n';
  }
}
