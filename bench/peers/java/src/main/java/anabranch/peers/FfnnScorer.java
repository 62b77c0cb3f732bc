package anabranch.peers;

import ai.onnxruntime.OrtException;
import ch.randelshofer.fastdoubleparser.JavaFloatParser;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.FloatBuffer;

/**
 * The record of the Crayfish benchmark: 784 comma-joined floats in one string. They go from the parser's characters
 * straight into the model's input; with echo the other fields are copied to the result as they are read.
 */
final class FfnnScorer implements Scorer {
  private static final int WIDTH = 784;
  private static final int CLASSES = 10;

  private final Model model;
  private final boolean echo;
  private final ByteArrayOutputStream out = new ByteArrayOutputStream(16 * 1024);

  FfnnScorer(String file, boolean echo) throws OrtException {
    model = new Model(file, WIDTH, CLASSES);
    this.echo = echo;
  }

  @Override
  public byte[] score(byte[] record) throws OrtException {
    if (record == null) return Scorer.reject();
    out.reset();
    // A generator that is closed in mid-object would close the object: a rejected record's text is dropped anyway.
    try (JsonParser parser = Json.FACTORY.createParser(record);
        JsonGenerator json = Json.FACTORY.createGenerator(out)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) return Scorer.reject();
      json.writeStartObject();
      boolean found = false;
      for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
        JsonToken value = parser.nextToken();
        if (name.equals("prediction")) {
          parser.skipChildren();
          continue;
        }
        if (name.equals("dataPoint")) {
          if (value != JsonToken.VALUE_STRING) return Scorer.reject();
          if (!readRow(parser.getTextCharacters(), parser.getTextOffset(), parser.getTextLength()))
            return Scorer.reject();
          found = true;
        }
        if (echo) {
          json.writeFieldName(name);
          json.copyCurrentStructure(parser);
        } else {
          parser.skipChildren();
        }
      }
      if (!found || parser.currentToken() != JsonToken.END_OBJECT || parser.nextToken() != null)
        return Scorer.reject();
      model.run();
      writePrediction(json);
    } catch (IOException | NumberFormatException e) {
      return Scorer.reject();
    }
    return out.toByteArray();
  }

  /** True when the text holds exactly WIDTH numbers, with or without a comma at the end. */
  private boolean readRow(char[] text, int begin, int length) {
    FloatBuffer row = model.input();
    int end = begin + length;
    int count = 0;
    for (int at = begin; at < end; ) {
      int comma = at;
      while (comma < end && text[comma] != ',') ++comma;
      if (count == WIDTH) return false;
      row.put(count++, JavaFloatParser.parseFloat(text, at, comma - at));
      at = comma + 1;
    }
    return count == WIDTH;
  }

  private void writePrediction(JsonGenerator json) throws IOException {
    FloatBuffer row = model.output();
    json.writeArrayFieldStart("prediction");
    for (int i = 0; i < CLASSES; ++i) json.writeNumber(row.get(i));
    json.writeEndArray();
    json.writeEndObject();
  }

  @Override
  public void close() {
    model.close();
  }
}
