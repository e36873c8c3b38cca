// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CostModel

/// How many threads run a model.
struct ThreadOptions: ParsableArguments {
  @Option(
    name: [.customShort("t"), .long],
    help: ArgumentHelp("Threads to run with (default: what was measured to be best).", valueName: "count"),
    transform: ThreadCount.parse)
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "Threads for prompts and other passes of more than \(ThreadCounts.fewRows) rows, llama.cpp's -tb "
        + "(default: as --threads).", valueName: "count"),
    transform: ThreadCount.parse)
  var threadsBatch: Int?

  var wish: ThreadWish { ThreadWish(threads: threads, batch: threadsBatch) }
}

enum ThreadCount {
  static func parse(_ text: String) throws -> Int {
    guard let number = Int(text), (1...4096).contains(number) else {
      throw ValidationError("'\(text)' is no count of threads from 1 to 4096.")
    }
    return number
  }
}
