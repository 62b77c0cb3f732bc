#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace anabranch {

class KeyEntry;  // engine/state/key_entry.h

// The part of a keyed node (NodeKind::Purity::kKeyed) that says what its state is made of. Immutable, shared.
//
// The state of one key is an entry: bytes that the node lays out as it likes. It leaves the process as *cells*:
// absolute contents of numbered slots of the entry. Whatever a record does to an entry, the node says as cells that are
// new and cells that are gone (KeyedState::Put, KeyedState::Remove), so that the cells that were not removed or
// replaced make up the entry at any moment. They are stored with the results of the record, in one commit.
//
// The digest of an entry is a sum, modulo 2^64, over its contents. That of a partition is the sum over its entries. It
// is stored beside the cells, and proves after a restore that none is missing and none is foreign.
class KeyedProgram {
 public:
  virtual ~KeyedProgram() = default;

  // What the cells mean: kind, its version, the settings that decide about them. Cells that were stored under another
  // text are not taken up.
  virtual std::string Fingerprint() const = 0;
  // Makes `cell` the content of a slot; without a cell, the slot is gone. `digest` takes part in the change. An entry
  // that has no bytes afterwards is erased. Cells come in the order in which they were stored. False: the node never
  // stored that.
  virtual bool Apply(KeyEntry& entry, uint32_t slot, std::optional<std::string_view> cell, uint64_t* digest) const = 0;
  // The digest of a whole entry.
  virtual uint64_t Digest(std::string_view key, std::span<const char> value) const = 0;
  // An entry for people, as a JSON object. Not the same as what it gives to a record: that depends on time.
  virtual std::string Show(std::span<const char> value) const = 0;
};

}  // namespace anabranch
