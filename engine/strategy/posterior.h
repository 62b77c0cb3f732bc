#pragma once

#include <span>
#include <vector>

namespace anabranch {

// What is believed of the mean of one arm.
struct Posterior {
  enum class Kind : unsigned char {
    kBeta,      // parameters a, b; both at least 1
    kStudentT,  // location a, scale b, degrees of freedom c
  };
  Kind kind = Kind::kBeta;
  double a = 1, b = 1, c = 0;
};

// The probability of each one to be the largest, by quadrature: the integral of its density times the distribution
// functions of the others. All are of one kind. They sum to 1.
std::vector<double> LargestOf(std::span<const Posterior> arms);

}  // namespace anabranch
