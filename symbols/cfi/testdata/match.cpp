// A C++ program of some size: exceptions, cold parts, templates of the library.
#include <iostream>
#include <map>
#include <regex>
#include <stdexcept>
#include <string>
#include <vector>

static std::map<std::string, std::vector<int>> seen;

int note(const std::string &word, int line) {
  if (word.size() > 100)
    throw std::length_error("a word of " + std::to_string(word.size()));
  seen[word].push_back(line);
  return seen.at(word).size();
}

int main(int argc, char **argv) {
  std::regex re("([a-z]+)[0-9]*(x|y)?");
  try {
    for (int i = 1; i < argc; i++) {
      std::smatch m;
      std::string s = argv[i];
      if (std::regex_match(s, m, re))
        note(m[1], i);
    }
    std::cout << seen.at("none").size();
  } catch (const std::out_of_range &e) {
    std::cout << e.what() << '\n';
  }
}
