#pragma once

#include <cstdint>
#include <string>

#include "engine/status.h"

namespace anabranch {

// What a call that wrote to the disk failed with, as kUnavailable:
//   "cannot sync /state/results/x.seg: Input/output error"
// A full disk (ENOSPC) or quota (EDQUOT) also says how much room there is and how much is needed:
//   "cannot write /data/out.jsonl: No space left on device; 20,480 bytes are needed and 4,096 of 204,800 are free on
//   its disk: free some space there"
// `error` is an errno; `needed` is 0 where the caller cannot know it. Any thread.
Status DiskFailure(const std::string& what, const std::string& path, int error, uint64_t needed = 0);

// The second half alone, from "; " on; for errors that are worded elsewhere. Empty unless `error` is one of the two.
std::string FullDiskText(const std::string& path, int error, uint64_t needed);

// Writes the entries of a folder to the disk: what was made, renamed or removed in it lasts. `path` of the second: a
// file in the folder.
Status SyncFolder(const std::string& folder);
Status SyncFolderOf(const std::string& path);

}  // namespace anabranch
