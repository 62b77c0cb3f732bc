package anabranch.peers;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Map;

/**
 * An ONNX Runtime session for one row at a time. Input and output are tensors over direct buffers, made once: a run
 * copies nothing and allocates no tensor. For one thread.
 */
final class Model implements AutoCloseable {
  private final OrtSession session;
  private final OnnxTensor inputTensor;
  private final OnnxTensor outputTensor;
  private final Map<String, OnnxTensor> inputs;
  private final Map<String, OnnxTensor> outputs;
  private final FloatBuffer input;
  private final FloatBuffer output;

  Model(String file, int inputWidth, int outputWidth) throws OrtException {
    OrtEnvironment environment = environment();
    session = open(environment, file);
    input = direct(inputWidth);
    output = direct(outputWidth);
    inputTensor = OnnxTensor.createTensor(environment, input, new long[] {1, inputWidth});
    outputTensor = OnnxTensor.createTensor(environment, output, new long[] {1, outputWidth});
    inputs = Map.of(session.getInputNames().iterator().next(), inputTensor);
    outputs = Map.of(session.getOutputNames().iterator().next(), outputTensor);
  }

  static OrtEnvironment environment() throws OrtException {
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    environment.setTelemetry(false);
    return environment;
  }

  /** A session that computes on the calling thread alone. */
  static OrtSession open(OrtEnvironment environment, String file) throws OrtException {
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setIntraOpNumThreads(1);
      options.setInterOpNumThreads(1);
      return environment.createSession(file, options);
    }
  }

  private static FloatBuffer direct(int floats) {
    return ByteBuffer.allocateDirect(floats * Float.BYTES).order(ByteOrder.nativeOrder()).asFloatBuffer();
  }

  /** Where run() reads the row; written with absolute puts. */
  FloatBuffer input() {
    return input;
  }

  /** Where run() leaves the result; valid until the next run(). */
  FloatBuffer output() {
    return output;
  }

  void run() throws OrtException {
    session.run(inputs, outputs).close();
  }

  @Override
  public void close() {
    try {
      inputTensor.close();
      outputTensor.close();
      session.close();
    } catch (OrtException e) {
      System.err.println("the session was not closed: " + e.getMessage());
    }
  }
}
