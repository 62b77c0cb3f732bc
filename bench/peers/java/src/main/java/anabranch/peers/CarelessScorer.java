package anabranch.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The careless variant of FfnnScorer, on purpose: shows what adapters like the published ones cost and is no measure of
 * what Java can do. Kinder than they are in one thing: tensors are closed.
 */
final class CarelessScorer implements Scorer {
  private static final int WIDTH = 784;

  private final OrtEnvironment environment;
  private final OrtSession session;
  private final boolean echo;

  CarelessScorer(String file, boolean echo) throws OrtException {
    environment = Model.environment();
    session = Model.open(environment, file);
    this.echo = echo;
  }

  @Override
  public byte[] score(byte[] record) throws OrtException {
    try {
      CarelessBatch batch = CarelessBatch.read(record);
      infer(batch);
      return batch.write(echo);
    } catch (IOException | RuntimeException e) {
      return Scorer.reject();
    }
  }

  /** Boxed lists → one boxed list → array → tensor, and the way back. */
  void infer(CarelessBatch batch) throws OrtException {
    List<Float> flat = batch.points.stream().flatMap(List::stream).collect(Collectors.toList());
    float[] row = new float[flat.size()];
    for (int i = 0; i < row.length; ++i) row[i] = flat.get(i);
    long[] shape = {batch.points.size(), WIDTH};
    Map<String, OnnxTensor> inputs = new HashMap<>();
    try (OnnxTensor input = OnnxTensor.createTensor(environment, FloatBuffer.wrap(row), shape)) {
      inputs.put(session.getInputNames().iterator().next(), input);
      try (OrtSession.Result result = session.run(inputs)) {
        batch.prediction = new ArrayList<>();
        for (float probability : ((float[][]) result.get(0).getValue())[0]) batch.prediction.add(probability);
      }
    }
  }

  @Override
  public void close() {
    try {
      session.close();
    } catch (OrtException e) {
      System.err.println("the session was not closed: " + e.getMessage());
    }
  }
}
