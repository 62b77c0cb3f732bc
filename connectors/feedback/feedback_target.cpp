#include "connectors/feedback/feedback_target.h"

#include <cstring>

namespace anabranch {
namespace {

constexpr char kHasId = 1, kHasReward = 2;

double NumberAt(const Column& column, uint32_t row) {
  switch (column.type().kind) {
    case Kind::kBool: return column.values<uint8_t>()[row];
    case Kind::kInt64: return static_cast<double>(column.values<int64_t>()[row]);
    case Kind::kFloat32: return column.values<float>()[row];
    default: return column.values<double>()[row];
  }
}

class RewardEncoder : public RowEncoder {
 public:
  RewardEncoder(ColumnId id, ColumnId reward) : id_(id), reward_(reward) {}

  Status Encode(const RecordBatch& batch, std::span<const uint8_t> active, EncodedRows* out) override {
    const Column &ids = batch.columns[id_], &rewards = batch.columns[reward_];
    for (uint32_t r = 0; r < batch.rows(); ++r) {
      if (active[r] == 0) continue;
      if (!out->HasRoom()) break;
      EncodedRows::Row row;
      row.partition = batch.partition[r];
      row.offset = batch.offset[r];
      row.timestamp_ms = batch.timestamp_ms[r];
      row.key = out->Here();
      if (batch.key_present[r] != 0) {
        row.key_size = static_cast<uint32_t>(batch.key[r].size());
        out->bytes.append(batch.key[r]);
      }
      EncodedReward reward;
      reward.has_id = ids.valid(r);
      if (reward.has_id) reward.id = ids.values<std::string_view>()[r];
      reward.has_reward = rewards.valid(r);
      if (reward.has_reward) reward.reward = NumberAt(rewards, r);
      row.value = out->Here();
      AppendReward(reward, &out->bytes);
      row.value_size = out->Here() - row.value;
      out->AddRow(row, r, row.key);
    }
    return {};
  }

 private:
  const ColumnId id_, reward_;
};

}  // namespace

// One byte that says what is there, the number, the id.
void AppendReward(const EncodedReward& reward, std::string* bytes) {
  bytes->push_back(static_cast<char>((reward.has_id ? kHasId : 0) | (reward.has_reward ? kHasReward : 0)));
  bytes->append(reinterpret_cast<const char*>(&reward.reward), sizeof reward.reward);
  bytes->append(reward.id);
}

EncodedReward ReadReward(std::string_view bytes) {
  EncodedReward reward;
  if (bytes.size() < 1 + sizeof reward.reward) return reward;
  reward.has_id = (bytes[0] & kHasId) != 0;
  reward.has_reward = (bytes[0] & kHasReward) != 0;
  std::memcpy(&reward.reward, bytes.data() + 1, sizeof reward.reward);
  reward.id = bytes.substr(1 + sizeof reward.reward);
  return reward;
}

std::unique_ptr<RowEncoder> FeedbackTargetProgram::MakeEncoder(const ResultIdentity& /*identity*/) const {
  return std::make_unique<RewardEncoder>(id_.column, reward_.column);
}

}  // namespace anabranch
