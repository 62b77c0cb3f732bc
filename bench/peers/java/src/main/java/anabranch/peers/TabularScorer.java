package anabranch.peers;

import ai.onnxruntime.OrtException;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.FloatBuffer;

/** id and f1..f8 are required, each f in 0..1e6; three derived features, the model, {"id": …, "score": …}. */
final class TabularScorer implements Scorer {
  private static final int FIELDS = 8;
  private static final int ALL_SEEN = (1 << FIELDS) - 1;
  private static final double LARGEST = 1e6;

  private final Model model;
  private final double[] f = new double[FIELDS];
  private final ByteArrayOutputStream out = new ByteArrayOutputStream(256);
  private String id;

  TabularScorer(String file) throws OrtException {
    model = new Model(file, 8, 1);
  }

  @Override
  public byte[] score(byte[] record) throws OrtException {
    try {
      if (record == null || !read(record)) return Scorer.reject();
      double x1 = f[0] * 2 + f[1];
      double x2 = f[2] / (1 + f[3]);
      FloatBuffer row = model.input();
      row.put(0, (float) x1).put(1, (float) x2).put(2, (float) (x1 - x2));
      for (int i = 3; i < FIELDS; ++i) row.put(i, (float) f[i]);
      model.run();
      return write(model.output().get(0));
    } catch (IOException e) {
      return Scorer.reject();
    }
  }

  private boolean read(byte[] record) throws IOException {
    id = null;
    int seen = 0;
    try (JsonParser parser = Json.FACTORY.createParser(record)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) return false;
      for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
        JsonToken value = parser.nextToken();
        int field = field(name);
        if (field >= 0) {
          if (!value.isNumeric()) return false;
          double number = parser.getDoubleValue();
          if (!(number >= 0 && number <= LARGEST)) return false;
          f[field] = number;
          seen |= 1 << field;
        } else if (name.equals("id")) {
          if (value != JsonToken.VALUE_STRING) return false;
          id = parser.getText();
        } else {
          parser.skipChildren();
        }
      }
      // Anything but one whole object is no record.
      if (parser.currentToken() != JsonToken.END_OBJECT || parser.nextToken() != null) return false;
    }
    return id != null && seen == ALL_SEEN;
  }

  /** 0..7 for f1..f8, else -1. */
  private static int field(String name) {
    if (name.length() != 2 || name.charAt(0) != 'f') return -1;
    int field = name.charAt(1) - '1';
    return field >= 0 && field < FIELDS ? field : -1;
  }

  private byte[] write(float score) throws IOException {
    out.reset();
    try (JsonGenerator json = Json.FACTORY.createGenerator(out)) {
      json.writeStartObject();
      json.writeStringField("id", id);
      json.writeNumberField("score", score);
      json.writeEndObject();
    }
    return out.toByteArray();
  }

  @Override
  public void close() {
    model.close();
  }
}
