// SPDX-License-Identifier: Apache-2.0
import Inference
import Quantities
import Testing

@testable import Training

@Suite struct TrainerMemoryPlanTests {
  /// Numbers in all buffers that a value holds, found by walking it; a buffer that is held twice counts once.
  private func numbers(in value: Any, seen: inout Set<ObjectIdentifier>) -> Int {
    if let buffer = value as? NumberBuffer<Float> {
      return seen.insert(ObjectIdentifier(buffer)).inserted ? buffer.count : 0
    }
    return Mirror(reflecting: value).children.reduce(0) { $0 + numbers(in: $1.value, seen: &seen) }
  }

  @Test(arguments: [Adaptation.frozen, .allWeights, .lora(LoRASettings(rank: 3))])
  func `the plan of a training is what its buffers hold`(_ adaptation: Adaptation) throws {
    try withPool(2) { pool in
      let network = try Small.network(Float.self, Small.shape(), adaptation, pool: pool)
      let plan = TrainerMemoryPlan(
        network.shape, adaptation, context: network.contextTokens, threads: pool.count, decodesFrozen: false)
      let pass = WindowPass(network)
      var seen = Set<ObjectIdentifier>()
      let window = numbers(in: pass.memory, seen: &seen)
      let operators = network.operators
      let others = operators.linear.decoded.count + operators.linear.inner.count + operators.attention[0].scratch.count
      #expect(plan.activations + plan.scratch == ByteCount(4 * (window + others)))
      #expect(plan.state == ByteCount(4 * 4 * network.parameters.count))
    }
  }

  @Test func `a longer window costs activations in proportion, a rank costs state in proportion`() {
    func plan(_ rank: Int, _ context: Int) -> TrainerMemoryPlan {
      TrainerMemoryPlan(Small.shape(), .lora(LoRASettings(rank: rank)), context: context, threads: 1)
    }
    #expect(plan(2, 64).activations == plan(1, 32).activations * 2)
    #expect(plan(2, 32).state == plan(1, 32).state * 2)
  }
}
