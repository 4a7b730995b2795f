package elf

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// heavy is a program whose headers make much debug information: 4 MB of
// .debug_info from each copy.
const heavy = `
#include <filesystem>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <regex>
#include <unordered_map>
#include <variant>
namespace app {
struct Record { std::map<std::string, std::vector<int>> a; std::unordered_map<int, std::string> b; std::variant<int, std::string> v; };
int work(Record &r, int n) {
  std::regex re("a+b*");
  for (int k = 0; k < n; k++) { r.a[std::to_string(k)].push_back(k); r.b[k] = "x"; }
  auto f = std::async([&] { return r.a.size(); });
  return (int)f.get() + std::regex_match("aab", re);
}
}
int main(int argc, char **) {
  app::Record r;
  return app::work(r, argc);
}
`

func heavyProgram(b *testing.B) string {
	dir := b.TempDir()
	src, out := filepath.Join(dir, "heavy.cc"), filepath.Join(dir, "heavy")
	if err := os.WriteFile(src, []byte(heavy), 0o600); err != nil {
		b.Fatal(err)
	}
	if text, err := exec.Command("g++", "-std=c++17", "-g", "-O1", "-pthread", "-o", out, src).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, text)
	}
	return out
}

// BenchmarkFirst measures, from nothing, what a user waits for.
func BenchmarkFirst(b *testing.B) {
	path := heavyProgram(b)
	for _, c := range []struct {
		name string
		ask  func(i *Image) bool
	}{
		{"open", func(i *Image) bool { return true }},
		{"breakpoint by function", func(i *Image) bool {
			for s := range i.Lookup("app::work") {
				_, ok := i.Body(s.Offset)
				return ok
			}
			return false
		}},
		{"breakpoint by line", func(i *Image) bool { return len(i.Places("heavy.cc", 14)) > 0 }},
		{"type", func(i *Image) bool { _, ok := i.Type("app::Record"); return ok }},
		{"index", func(i *Image) bool { return i.Index(context.Background()) == nil }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				i, err := Open(path, Options{})
				if err != nil {
					b.Fatal(err)
				}
				if !c.ask(i) {
					b.Fatal("no answer")
				}
			}
		})
	}
}
