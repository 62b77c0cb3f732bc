package anabranch.peers;

import ai.onnxruntime.OrtException;
import java.util.concurrent.atomic.LongAdder;

/**
 * The work on one record: parse, check, infer, write. One scorer per thread, with a model session and buffers of its
 * own; both engines run the same scorers.
 */
interface Scorer extends AutoCloseable {
  /** Records that were dead-lettered; the workloads have none. */
  LongAdder REJECTED = new LongAdder();

  /** The result's JSON, in an array of the caller's own; null for a faulty record, counted as dead-lettered. */
  byte[] score(byte[] record) throws OrtException;

  @Override
  void close();

  static Scorer of(String workload, boolean careless, String model) {
    try {
      boolean echo = workload.equals("ffnn_echo");
      if (careless) return new CarelessScorer(model, echo);
      return workload.equals("tabular") ? new TabularScorer(model) : new FfnnScorer(model, echo);
    } catch (OrtException e) {
      throw new IllegalStateException("the model " + model + " cannot be loaded: " + e.getMessage(), e);
    }
  }

  /** Counts and drops a faulty record. */
  static byte[] reject() {
    REJECTED.increment();
    return null;
  }

  static void reportRejected() {
    if (REJECTED.sum() > 0) System.err.println("dead-lettered: " + REJECTED.sum() + " records");
  }
}
