#pragma once

#include <string>

#include "engine/status.h"

namespace anabranch {

// A folder for the state of one trial; it goes with the object. In memory where the system has such a place: a trial
// need not survive a crash. The first folder of a process takes away those that killed processes have left behind.
class TrialFolder {
 public:
  TrialFolder() = default;
  ~TrialFolder();
  TrialFolder(const TrialFolder&) = delete;
  TrialFolder& operator=(const TrialFolder&) = delete;

  Status Make();
  std::string state() const { return path_ + "/state"; }

 private:
  std::string path_;
  int lock_ = -1;  // held while the folder is in use
};

}  // namespace anabranch
