#pragma once

#include <exception>
#include <new>

#include "engine/status.h"

namespace anabranch {

// What `work` answers. What it throws becomes kInternal, or kStage where memory could not be had.
template <typename Work>
Status Guarded(Work work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return {Code::kStage,
            "it needs more memory than there is: make \"batch\": {\"max_rows\"} smaller, or give the process more"};
  } catch (const std::exception& e) {
    return {Code::kInternal, e.what()};
  } catch (...) {
    return {Code::kInternal, "an exception of an unknown type"};
  }
}

}  // namespace anabranch
