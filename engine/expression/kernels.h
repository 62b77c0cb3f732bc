#pragma once

#include "engine/expression/program.h"

// The vectorised operations. Each kernel is named with the stored kinds that it takes; the checker chooses it once, so
// that no row branches on a type.
namespace anabranch::expression {

enum class Arithmetic : uint8_t { kAdd, kSubtract, kMultiply, kDivide, kModulo, kMin, kMax };
enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

// kInt64 (except kDivide), kFloat64; kMin and kMax also kTimestamp. Null if the kernel does not exist.
Kernel ArithmeticKernel(Arithmetic op, Kind kind);
// Any scalar kind except float32.
Kernel ComparisonKernel(Comparison op, Kind kind);

// ---- logic (kernels_logic.cpp)
void AndKernel(const Call& call);
void OrKernel(const Call& call);
void NotKernel(const Call& call);
void IsNullKernel(const Call& call);
// args: condition, then, else. A null condition is not true.
Kernel SelectKernel(Kind kind);
// args: a, b: a where it is not null.
Kernel CoalesceKernel(Kind kind);
// Copies the operand unchanged: any type, also lists and tensors.
void CopyKernel(const Call& call);
// Masks: out's values are call.mask narrowed by the condition args[0].
void MaskTrueKernel(const Call& call);
void MaskNotTrueKernel(const Call& call);
void MaskNotFalseKernel(const Call& call);
void MaskNullKernel(const Call& call);

// ---- conversions (kernels_convert.cpp)
void Float32ToFloat64(const Call& call);
void Int64ToFloat64(const Call& call);
void BoolToFloat64(const Call& call);
void StringToFloat64(const Call& call);
void Float64ToInt64(const Call& call);
void BoolToInt64(const Call& call);
void StringToInt64(const Call& call);
void BoolToString(const Call& call);
void Int64ToString(const Call& call);
void Float64ToString(const Call& call);
void TimestampToString(const Call& call);
void StringToTimestamp(const Call& call);
void NumbersKernel(const Call& call);  // out: a tensor of float64 or float32

// ---- maths of one or more float64 (kernels_math.cpp)
void NegateInt64(const Call& call);
void NegateFloat64(const Call& call);
void AbsInt64(const Call& call);
void AbsFloat64(const Call& call);
void FloorKernel(const Call& call);
void CeilKernel(const Call& call);
void RoundKernel(const Call& call);
void SqrtKernel(const Call& call);
void ExpKernel(const Call& call);
void Expm1Kernel(const Call& call);
void LogKernel(const Call& call);
void Log1pKernel(const Call& call);
void Log10Kernel(const Call& call);
void SinKernel(const Call& call);
void CosKernel(const Call& call);
void TanhKernel(const Call& call);
void SigmoidKernel(const Call& call);
void PowKernel(const Call& call);
void IsNanKernel(const Call& call);
void IsFiniteKernel(const Call& call);

// ---- text (kernels_text.cpp)
void ConcatKernel(const Call& call);  // any number of strings
void LowerKernel(const Call& call);
void UpperKernel(const Call& call);
void TrimKernel(const Call& call);
void LengthKernel(const Call& call);
void SubstrKernel(const Call& call);  // with or without a count
void StartsWithKernel(const Call& call);
void EndsWithKernel(const Call& call);
void ContainsKernel(const Call& call);
void ReplaceKernel(const Call& call);
void MatchesKernel(const Call& call);
// The data of MatchesKernel; null and *error set when RE2 refuses the pattern.
std::shared_ptr<const KernelData> CompilePattern(std::string_view pattern, std::string* error);

// ---- time and hash (kernels_time.cpp, kernels_hash.cpp)
void TimeDifferenceKernel(const Call& call);  // timestamp, timestamp -> seconds
void TimePlusKernel(const Call& call);        // timestamp, seconds
void TimeMinusKernel(const Call& call);
void YearKernel(const Call& call);
void MonthKernel(const Call& call);
void DayKernel(const Call& call);
void HourKernel(const Call& call);
void MinuteKernel(const Call& call);
void SecondKernel(const Call& call);
void WeekdayKernel(const Call& call);
void EpochMsKernel(const Call& call);
void HashInt64(const Call& call);  // also bool and timestamp, by their stored value
void HashBool(const Call& call);
void HashFloat64(const Call& call);
void HashString(const Call& call);

// ---- lists, tensors and sets (kernels_sequence.cpp)
enum class Reduction : uint8_t { kSum, kMean, kMin, kMax };
Kernel ReductionKernel(Reduction op, Kind element);  // int64, float32 or float64 elements
void SequenceLengthKernel(const Call& call);
// args: sequence, int64 indices, one per dimension. Float32 elements come out as float64.
void IndexKernel(const Call& call);
// args: scalar, sequence.
void InSequenceKernel(const Call& call);
// args: scalar; data from MakeSet.
void InSetKernel(const Call& call);
std::shared_ptr<const KernelData> MakeSet(Kind kind, std::vector<Literal> items);

// ---- lists and tables written in the expression (kernels_table.cpp)
// args: scalar; data from MakeKeys. The place of the scalar in the list, or the list's length if it is absent.
void FindKeyKernel(const Call& call);
std::shared_ptr<const KernelData> MakeKeys(Kind kind, std::vector<Literal> items);
// args: int64 index, and optionally the value for an index outside the list; data from MakeValues.
void PickKernel(const Call& call);
std::shared_ptr<const KernelData> MakeValues(Kind kind, std::vector<Literal> items);
// args: int64 index; out: a tensor of float64 or float32, all 0 for an index outside it.
void OneHotKernel(const Call& call);
// args: float64; data from MakeEdges.
void BucketKernel(const Call& call);
std::shared_ptr<const KernelData> MakeEdges(std::vector<double> rising);

// ---- metadata (kernels_metadata.cpp)
void KeyKernel(const Call& call);
void HeaderKernel(const Call& call);
std::shared_ptr<const KernelData> MakeHeaderName(std::string name);
void EventTimeKernel(const Call& call);
void PositionKernel(const Call& call);

}  // namespace anabranch::expression
