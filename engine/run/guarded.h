#pragma once

#include <exception>
#include <new>

#include "engine/status.h"

namespace anabranch {

// The result of `work`. An exception becomes kInternal, or kStage where memory could not be allocated.
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
