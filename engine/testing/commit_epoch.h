#pragma once

#include <utility>

#include "engine/encoded.h"
#include "engine/run/epoch_writer.h"
#include "engine/status.h"

namespace anabranch {

// One epoch of one batch, from the hand-over until its commit is resolved.
inline Status CommitEpoch(EpochWriter& writer, EncodedBatch batch) {
  RETURN_IF_ERROR(writer.Push(std::move(batch), 1));
  RETURN_IF_ERROR(writer.CloseEpoch());
  Status idle;
  do idle = writer.WaitIdle();
  while (idle.code() == Code::kRetry);
  return idle;
}

}  // namespace anabranch
