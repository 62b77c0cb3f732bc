#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace anabranch::bench {

// Says why on stderr in one line and ends the process; any thread.
[[noreturn]] void Die(const std::string& why);

// The command line of a benchmark tool: words, `--name VALUE` and bare `--flag`. Whatever is not known, missing or no
// number ends the process with code 2 and the usage.
class Arguments {
 public:
  struct Known {
    std::string usage;  // printed with every fault
    std::set<std::string> options;
    std::set<std::string> flags;
    size_t words = 0;  // how many there must be
  };
  Arguments(int argc, char** argv, Known known);

  const std::string& Word(size_t at) const { return words_[at]; }
  bool Has(const std::string& name) const { return options_.count(name) != 0; }
  std::string Text(const std::string& name) const;  // must have been given
  std::string Text(const std::string& name, const std::string& otherwise) const;
  // Not below `least`.
  int64_t Number(const std::string& name, int64_t least) const;
  int64_t Number(const std::string& name, int64_t least, int64_t otherwise) const;
  [[noreturn]] void Refuse(const std::string& why) const;

 private:
  Known known_;
  std::vector<std::string> words_;
  std::map<std::string, std::string> options_;
};

}  // namespace anabranch::bench
