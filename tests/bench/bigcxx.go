package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The large program: one unit of C++ that keeps the compiler's templates busy, and
// many more that are its assembly under other names, so that the whole is a
// compiler's real work and yet made within minutes. It is kept in the user's
// cache.

const (
	bigUnits   = 36
	bigRecords = 12
	bigLine    = "28" // the line "int sum" in a work function
)

func bigSource() string {
	var s strings.Builder
	for _, h := range strings.Fields("algorithm functional map memory optional regex set sstream string unordered_map variant vector thread future filesystem deque list") {
		fmt.Fprintf(&s, "#include <%s>\n", h)
	}
	s.WriteString("namespace app::m10 {\n")
	for i := range bigRecords {
		part := "int"
		if i > 0 {
			part = fmt.Sprintf("Rec10_%d", i-1)
		}
		s.WriteString(strings.NewReplacer("PART", part, "REC", fmt.Sprintf("Rec10_%d", i), "WORK", fmt.Sprintf("work%d", i)).Replace(bigRecord))
	}
	s.WriteString("int entry10(int k) {\n  int sum = 0;\n")
	for i := range bigRecords {
		fmt.Fprintf(&s, "  sum += work%d(k);\n", i)
	}
	s.WriteString("  return sum;\n}\n}\n")
	return s.String()
}

const bigRecord = `struct REC {
  int id; double weight; std::string name; std::vector<PART> parts; std::optional<PART> extra;
  bool operator<(const REC &o) const { return id < o.id; }
  int total() const { return id + (int)parts.size(); }
};
int WORK(int k) {
  std::map<std::string, REC> byName; std::unordered_map<int, REC> byId; std::set<REC> all; std::list<REC> order; std::deque<REC> queue;
  auto shared = std::make_shared<REC>(); std::variant<int, std::string, REC> v = *shared;
  std::function<int(const REC &)> f = [k](const REC &r) { return r.total() + k; };
  int sum = 0;
  for (int j = 0; j < k; j++) {
    REC r{j, j * .5, "r", {}, {}};
    byName["x" + std::to_string(j)] = r; byId[j] = r; all.insert(r); order.push_back(r); queue.push_front(r);
  }
  std::vector<REC> sorted(all.begin(), all.end());
  std::sort(sorted.begin(), sorted.end(), [](auto &a, auto &b) { return b < a; });
  for (auto &r : sorted) sum += f(r);
  return sum + (int)(byName.size() + byId.size() + order.size() + queue.size() + v.index());
}
`

// bigProgram returns the path of the large program, and makes it when it is not
// there.
func bigProgram() string {
	source := bigSource()
	cache, err := os.UserCacheDir()
	check(err)
	dir := filepath.Join(cache, "dap-windbg-bench", fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(source, bigUnits))))[:16])
	program := filepath.Join(dir, "big")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	fmt.Println("making the large C++ program, once")
	check(os.MkdirAll(dir, 0o700))
	first := filepath.Join(dir, "m10")
	check(os.WriteFile(first+".cpp", []byte(source), 0o600))
	command("g++", "-std=c++20", "-g", "-O1", "-S", first+".cpp", "-o", first+".s")
	text, err := os.ReadFile(first + ".s")
	check(err)
	var objects []string
	var main strings.Builder
	calls := ""
	for n := 10; n < 10+bigUnits; n++ {
		unit := filepath.Join(dir, fmt.Sprintf("m%d", n))
		renamed := strings.NewReplacer("m10", fmt.Sprintf("m%d", n), "Rec10_", fmt.Sprintf("Rec%d_", n), "entry10", fmt.Sprintf("entry%d", n)).Replace(string(text))
		check(os.WriteFile(unit+".s", []byte(renamed), 0o600))
		command("as", unit+".s", "-o", unit+".o")
		check(os.Remove(unit + ".s"))
		objects = append(objects, unit+".o")
		fmt.Fprintf(&main, "namespace app::m%d { int entry%d(int); }\n", n, n)
		calls += fmt.Sprintf(" + app::m%d::entry%d(argc)", n, n)
	}
	fmt.Fprintf(&main, "int main(int argc, char **) { return 0%s; }\n", calls)
	check(os.WriteFile(filepath.Join(dir, "main.cpp"), []byte(main.String()), 0o600))
	command("g++", append([]string{"-g", "-O1", filepath.Join(dir, "main.cpp"), "-o", program + ".new"}, objects...)...)
	for _, o := range objects {
		check(os.Remove(o))
	}
	check(os.Rename(program+".new", program))
	return program
}
