"""The judge of the fault tests finds planted errors: a test that cannot fail proves nothing."""
import unittest

import oracle
from oracle import harness


class Judge(unittest.TestCase):
    def setUp(self):
        self.numbers = oracle.Numbered(1000)
        self.results = [self.numbers.result(n) for n in range(1000)]

    def judge(self):
        return oracle.judge(self.numbers, self.results)

    def test_all_results_in_order_pass(self):
        self.assertTrue(self.judge().ok)

    def test_other_keys_may_overtake(self):
        self.results.sort(key=lambda result: result.key)
        self.assertTrue(self.judge().ok)

    def test_a_lost_result_is_found(self):
        del self.results[500]
        self.assertEqual(self.judge().lost, [500])

    def test_a_lost_last_result_is_found(self):
        self.results.pop()
        self.assertEqual(self.judge().lost, [999])

    def test_a_doubled_result_is_found(self):
        self.results.append(self.results[500])
        self.assertEqual(self.judge().doubled, [500])

    def test_an_inversion_within_a_key_is_found(self):
        later = next(n for n in range(1, 1000) if self.numbers.key(n) == self.numbers.key(0))
        self.results[0], self.results[later] = self.results[later], self.results[0]
        self.assertEqual(self.judge().inverted, [(0, later)])

    def test_another_value_is_found_and_counts_as_lost(self):
        key, value = self.results[7]
        self.results[7] = oracle.Result(key, value.replace(b"14", b"15"))
        verdict = self.judge()
        self.assertEqual((len(verdict.strange), verdict.lost), (1, [7]))

    def test_another_key_is_found(self):
        self.results[7] = oracle.Result(b"k999", self.results[7].value)
        self.assertEqual(len(self.judge().strange), 1)

    def test_a_record_that_was_never_sent_is_found(self):
        self.results.append(self.numbers.result(1000))
        self.assertEqual(len(self.judge().strange), 1)


if __name__ == "__main__":
    harness.main()
