#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "topologies/trial/test_file.h"
#include "topologies/trial/test_runner.h"

namespace anabranch {

// What `anabranch test` shows.

// One case and what became of it.
struct ShownTest {
  const LoadedTest* test = nullptr;
  TestOutcome outcome;
};

// One file of a test run. The files outlive it.
struct ShownFile {
  const TestFile* file = nullptr;
  std::vector<ShownTest> tests;          // those that ran
  std::vector<std::string> not_covered;  // with --coverage
};

// The faults of a file with tests, and of its topology.
std::vector<Fault> AllFaults(const TestFile& file);
std::string FaultJson(const Fault& fault);
std::string FaultsGithub(const TestFile& file);
void RenderTestFile(const TestFile& file, bool colour, std::ostream& out);

std::string TestText(const ShownFile& file, const ShownTest& test);
// Below the cases of a file: what they do not cover.
std::string CoverageText(const ShownFile& file);
std::string TestSummary(const std::vector<ShownFile>& files);
std::string TestsJson(const std::vector<ShownFile>& files);
std::string TestsGithub(const ShownFile& file, const ShownTest& test);
// In the form that CI systems read (the JUnit schema of Jenkins' xUnit plugin): a suite per file, a case per case.
std::string TestsJunit(const std::vector<ShownFile>& files);

}  // namespace anabranch
