// SPDX-License-Identifier: Apache-2.0
import CKernels
import Compression
import CostModel
import Inference
import LanguageModel
import Testing

/// Time that is charged by a clock of the test's own.
@Suite struct OperatorClockTests {
  private final class Hand { var seconds = 100.0 }

  @Test func `a lap is charged with what passed since the last one`() {
    let hand = Hand()
    let clock = OperatorClock { hand.seconds }
    hand.seconds += 3
    clock.lap(.norm)
    hand.seconds += 4
    clock.lap(.down)
    hand.seconds += 5
    clock.lap(.norm)
    let times = clock.take().operators
    #expect(times[.norm] == 8)
    #expect(times[.down] == 4)
    #expect(times.total == 12)
  }

  @Test func `time inside of an operator goes to the one that it was spent for, once`() {
    let hand = Hand()
    let clock = OperatorClock { hand.seconds }
    hand.seconds += 1
    let conversion = clock.begin()
    hand.seconds += 2
    let waiting = clock.begin()
    hand.seconds += 4
    clock.end(.waiting, waiting)
    hand.seconds += 8
    clock.end(.conversion, conversion)
    hand.seconds += 16
    clock.lap(.gateUp)
    let times = clock.take().operators
    #expect(times[.gateUp] == 17)
    #expect(times[.conversion] == 10)
    #expect(times[.waiting] == 4)
  }

  @Test func `what was taken is not charged again`() {
    let hand = Hand()
    let clock = OperatorClock { hand.seconds }
    hand.seconds += 1
    clock.lap(.norm)
    _ = clock.take()
    hand.seconds += 2
    clock.lap(.down)
    let times = clock.take().operators
    #expect(times[.norm] == 0)
    #expect(times.total == 2)
  }

  @Test func `a layer's time runs from the end of the one before, and the first one's from where it was last taken`() {
    let hand = Hand()
    let clock = OperatorClock { hand.seconds }
    hand.seconds += 1
    _ = clock.take()
    hand.seconds += 2
    clock.lap(.norm)
    clock.endLayer()
    hand.seconds += 4
    clock.endLayer()
    hand.seconds += 8
    #expect(clock.take().layers == [2, 4])
    clock.endLayer()
    #expect(clock.take().layers == [0])
  }

  @Test func `sums are scaled`() {
    let hand = Hand()
    let clock = OperatorClock { hand.seconds }
    hand.seconds += 2
    clock.lap(.norm)
    var sum = OperatorTimes()
    let times = clock.take().operators
    sum.add(times, scaledBy: 3)
    sum.add(times)
    #expect(sum[.norm] == 8)
  }

  /// Each look at the clock is a second, so that every operator that ran has some.
  @Test(arguments: [1, 5]) func `a pass is charged to the operators that it has, and to no other`(_ tokens: Int) throws
  {
    let hand = Hand()
    let clock = OperatorClock {
      hand.seconds += 1
      return hand.seconds
    }
    let pool = try ThreadPool(count: 2, clock: clock)
    defer { pool.stop() }
    let architecture = smallArchitecture()
    let session = try InferenceSession(
      architecture: architecture,
      weights: SyntheticWeights(inventory: smallInventory(architecture, .q8_0), pool: pool),
      workload: Workload(contextTokens: 32), kernels: .best, pool: pool)
    _ = clock.take()
    try session.logits(after: [Int32](repeating: 1, count: tokens))
    let times = clock.take().operators
    // One token's rows are activated and added where they were multiplied.
    let inside: Set<PassOperator> = tokens == 1 ? [.activation, .residual] : []
    let absent = inside.union([.latent, .router])
    // Whether the first thread waits is up to the others.
    for pass in PassOperator.allCases where pass != .waiting {
      #expect((times[pass] > 0) == !absent.contains(pass), "\(pass)")
    }
    #expect(times.total <= hand.seconds - 100)
  }
}

/// The words about a set's dispatch.
@Suite struct KernelPathTests {
  @Test(arguments: BlockFormat.allCases)
  func `a format is promised a kernel of its own where panels of it can be multiplied`(_ format: BlockFormat) {
    let hasPanels = ck_has_panels(Int32(format.ggufType)) != 0
    #expect((StorageFormat.block(format).kernelSupport == .fast) == hasPanels)
  }

  @Test func `every set has a path for exactly the formats that it can read`() {
    for set in runnableKernels() {
      for format in BlockFormat.allCases {
        let isReadable = StorageFormat.block(format).kernelSupport != .none
        #expect((set.path(format) != nil) == isReadable, "\(set.name) \(format)")
      }
    }
  }

  @Test func `panels are multiplied in integers but for floats, which many vectors meet in words`() throws {
    for set in runnableKernels() where set.repacks {
      for format in BlockFormat.allCases {
        guard let path = set.path(format), path.decode.layout == .panels else { continue }
        #expect(path.decode.arithmetic == ([.f32, .f16, .bf16].contains(format) ? .floats : .integers))
        #expect(path.prefill.layout == .panels)
        let isHalf = [.f16, .bf16].contains(format)
        let many: KernelPath.Arithmetic =
          switch set.name {
          case .amx where format != .f32: .tiles
          case .avx2 where isHalf, .avx512vnni where isHalf: .words
          default: path.decode.arithmetic
          }
        #expect(path.prefill.arithmetic == many)
        #expect(path.doubt == nil)
      }
      #expect(try #require(set.path(.q8_1)).doubt == .noPanels)
    }
  }

  @Test func `rows in the file's order are decoded for many tokens, and the path says why that is slow`() throws {
    let set = try KernelSet(.portable)
    let path = try #require(set.path(.q4_1))
    #expect(path.prefill.layout == .rows)
    #expect(path.prefill.arithmetic == .decoded)
    #expect(path.doubt == .notRepacked)
    #expect(try #require(set.path(.f32)).doubt == nil)
    let half = try #require(RuntimeFormat.keptRows(permille: 500, columns: 2048))
    let kept = try #require(set.path(half))
    #expect(kept.decode.arithmetic == .floats && kept.prefill.arithmetic == .decoded && kept.doubt == .keptRows)
    #expect(set.arithmetic(.block(.q8_0), isBatch: true) == .floats)
  }
}
