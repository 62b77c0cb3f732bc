package anabranch.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The careless variant, on purpose: the habits of the published Crayfish adapters. A new ObjectMapper for each record both
 * ways, a tree, boxed floats that are flattened again, a new tensor each time. Shows what such adapters cost; it is no
 * measure of what Java can do (that is FfnnScorer). Kinder than the published ones in one thing: tensors are closed.
 */
final class CarelessFfnnScorer implements Scorer {
  private static final int WIDTH = 784;

  private final OrtEnvironment environment;
  private final OrtSession session;
  private final boolean echo;

  CarelessFfnnScorer(String file, boolean echo) throws OrtException {
    environment = Model.environment();
    session = Model.open(environment, file);
    this.echo = echo;
  }

  @Override
  public byte[] score(byte[] record) throws OrtException {
    try {
      JsonNode tree = new ObjectMapper().readTree(record);
      List<Float> point = new ArrayList<>();
      for (String text : tree.get("dataPoint").asText().split(",")) point.add(Float.valueOf(text));
      if (point.size() != WIDTH) return Scorer.reject();

      ObjectNode result = echo ? (ObjectNode) tree : new ObjectMapper().createObjectNode();
      ArrayNode prediction = result.putArray("prediction");
      for (Float probability : infer(point)) prediction.add(probability);
      return new ObjectMapper().writeValueAsBytes(result);
    } catch (IOException | RuntimeException e) {
      return Scorer.reject();
    }
  }

  private List<Float> infer(List<Float> point) throws OrtException {
    float[][] rows = new float[1][point.size()];
    for (int i = 0; i < point.size(); ++i) rows[0][i] = point.get(i);
    try (OnnxTensor input = OnnxTensor.createTensor(environment, rows);
        OrtSession.Result result = session.run(Map.of(session.getInputNames().iterator().next(), input))) {
      List<Float> probabilities = new ArrayList<>();
      for (float probability : ((float[][]) result.get(0).getValue())[0]) probabilities.add(probability);
      return probabilities;
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
