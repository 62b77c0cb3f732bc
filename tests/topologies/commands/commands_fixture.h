#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "engine/registry.h"

namespace anabranch {

// Runs the command line in this process, with the program's own kinds and connectors, in a folder of its own.
class Commands : public testing::Test {
 protected:
  struct Outcome {
    int code = 0;
    std::string out;
    std::string err;
  };

  Commands();
  ~Commands() override;

  Outcome Run(const std::vector<std::string>& arguments);
  // The same in another process, through main().
  Outcome RunProgram(const std::string& arguments);
  // Writes a file below the folder and returns its path.
  std::string Write(const std::string& name, const std::string& text);
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  static std::string GoodTopology();    // from in.jsonl to out.jsonl
  static std::string FaultyTopology();  // AB203 in node "shape", line 7
  bool colour_ = false;

 private:
  std::filesystem::path folder_;
  Registry registry_;
};

std::string ReadFile(const std::string& path);

}  // namespace anabranch
