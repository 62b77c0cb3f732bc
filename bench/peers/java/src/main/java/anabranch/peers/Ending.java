package anabranch.peers;

import java.util.concurrent.CompletableFuture;
import sun.misc.Signal;

/** How a peer ends: with exit code 0 on SIGTERM or SIGINT, with 1 after an error. The first one counts. */
final class Ending {
  private final CompletableFuture<Integer> code = new CompletableFuture<>();

  Ending() {
    // A JVM that a signal ends by itself exits with 143.
    Signal.handle(new Signal("TERM"), signal -> code.complete(0));
    Signal.handle(new Signal("INT"), signal -> code.complete(0));
  }

  void fail(String what, Throwable why) {
    if (!code.complete(1)) return;
    System.err.println(what + ": " + why);
    for (Throwable cause = why.getCause(); cause != null; cause = cause.getCause())
      System.err.println("  because: " + cause);
  }

  int await() {
    return code.join();
  }

  /** True when the peer has been told to end or has failed. */
  boolean begun() {
    return code.isDone();
  }
}
