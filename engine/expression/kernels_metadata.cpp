#include <charconv>

#include "engine/expression/kernel_loops.h"
#include "engine/expression/kernels.h"

namespace anabranch::expression {
namespace {

struct HeaderName : KernelData {
  explicit HeaderName(std::string n) : name(std::move(n)) {}
  std::string name;
};

}  // namespace

void KeyKernel(const Call& call) {
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) {
    out[row] = call.batch.key[row];
    OutState(call)[row] = call.batch.key_present[row] ? kValid : kNull;
  });
}

// If several headers have the name, the last one counts.
void HeaderKernel(const Call& call) {
  const std::string& name = static_cast<const HeaderName*>(call.data)->name;
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) {
    const std::span<const RowHeader> headers = call.batch.row_headers(row);
    OutState(call)[row] = kNull;
    for (size_t i = headers.size(); i-- > 0;) {
      if (headers[i].name != name) continue;
      out[row] = headers[i].value;
      OutState(call)[row] = headers[i].value.data() != nullptr ? kValid : kNull;
      return;
    }
  });
}

std::shared_ptr<const KernelData> MakeHeaderName(std::string name) {
  return std::make_shared<HeaderName>(std::move(name));
}

void EventTimeKernel(const Call& call) {
  int64_t* out = Out<int64_t>(call);
  ForValid(call, [&](uint32_t row) {
    out[row] = call.batch.timestamp_ms[row] * 1000;
    OutState(call)[row] = call.batch.timestamp_ms[row] >= 0 ? kValid : kNull;
  });
}

void PositionKernel(const Call& call) {
  std::string_view* out = Out<std::string_view>(call);
  ForValid(call, [&](uint32_t row) {
    const SourcePartition& source = call.batch.partitions->at(call.batch.partition[row]);
    char numbers[48];
    char* at = numbers;
    *at++ = '/';
    at = std::to_chars(at, numbers + sizeof numbers, source.partition).ptr;
    *at++ = '/';
    at = std::to_chars(at, numbers + sizeof numbers, call.batch.offset[row]).ptr;
    call.buffer.assign(source.topic).append(numbers, at);
    out[row] = call.text.Copy(call.buffer);
  });
}

}  // namespace anabranch::expression
