// SPDX-License-Identifier: Apache-2.0
import CKernels
import Compression
import CostModel
import Inference
import LanguageModel
import ModelFiles
import Quantities
import Testing

/// Matrices in low-rank factors and with adapters, against the matrices that they multiply to.
@Suite struct FactorTests {
  private let architecture = smallArchitecture(heads: 4, keyValueHeads: 2)
  private let workload = Workload(contextTokens: 32, keyValueFormat: .f32, microBatch: 8)

  private func model(_ variant: String, _ format: BlockFormat) throws -> LanguageModelDescription {
    let plain = LanguageModelDescription(
      name: "small", architecture: architecture, inventory: smallInventory(architecture, format),
      provenance: .configuration(path: "test"))
    return try CompressionVariant(parsing: variant).restructured(plain)
  }

  @Test(arguments: ["svd-0.5", "lora-16", "lora-8", "svd-0.5+lora-16"])
  func `give the logits of whole matrices`(variant: String) throws {
    let factored = try model(variant, .f32)
    #expect(RuntimeSupport.runsFactors(of: factored))
    try withPool(2) { pool in
      let source = try SyntheticWeights(inventory: factored.inventory, seed: 9, pool: pool)
      let whole = MultipliedFactors(source)
      for kernels in runnableKernels() {
        for tokens in [[7], [1, 2, 3, 4, 5]] as [[Int32]] {
          let logits = try logits(source, tokens, kernels, pool)
          let expected = try self.logits(whole, tokens, kernels, pool).map(Double.init)
          // Products in another order, of up to 512 terms over two layers: see ForwardPassTests.
          #expect(relativeDistance(logits, expected) < 1e-4, "\(kernels.name)")
        }
      }
    }
  }

  @Test(arguments: ["svd-0.5+q8_0", "lora-16", "q4_k+lora-16"])
  func `take the memory that the plan says`(variant: String) throws {
    let parsed = try CompressionVariant(parsing: variant)
    let model = try parsed.applied(to: self.model("original", .f16))
    try withPool(2) { pool in
      let weights = try SyntheticWeights(inventory: model.inventory, kernels: .best, pool: pool)
      let session = try InferenceSession(
        architecture: architecture, weights: weights, workload: workload, kernels: .best, pool: pool)
      let plan = RuntimeMemoryPlan(
        architecture: architecture, inventory: model.inventory, workload: workload, threads: 2)
      #expect(weights.allocated + session.allocatedWithoutWeights == plan.total)
      #expect(plan.bytes(.thin) > .zero)
      _ = try session.logits(after: [1, 2, 3])
    }
  }

  @Test func `of one matrix for gate and up are refused`() throws {
    var fused = try model("lora-16", .f16)
    fused.inventory.tensors.removeAll { $0.role == .feedForwardGate }
    #expect(!RuntimeSupport.runsFactors(of: fused))
    #expect(throws: LanguageRuntimeError.self) {
      try withPool(1) { pool in
        _ = try InferenceSession(
          architecture: architecture, weights: SyntheticWeights(inventory: fused.inventory, pool: pool),
          workload: workload, kernels: .best, pool: pool)
      }
    }
  }

  private func logits(
    _ weights: any WeightSource, _ tokens: [Int32], _ kernels: KernelSet, _ pool: ThreadPool
  ) throws -> [Float] {
    let session = try InferenceSession(
      architecture: architecture, weights: weights, workload: workload, kernels: kernels, pool: pool)
    return Array(try session.logits(after: tokens))
  }
}

/// The 32-bit weights of a model in factors, multiplied out in doubles.
private final class MultipliedFactors: WeightSource {
  let path = "multiplied factors"
  let inventory: TensorInventory
  private nonisolated(unsafe) let tensors: [UnsafeMutableBufferPointer<Float>]

  init(_ source: any WeightSource) {
    struct Place: Hashable {
      let role: TensorRole
      let layer: Int16
    }
    var order: [Place] = []
    var sums: [Place: (tensor: TensorDescription, values: [Double])] = [:]
    func add(_ tensor: TensorDescription, _ values: [Double]) {
      let place = Place(role: tensor.role, layer: tensor.layer)
      if sums[place] == nil {
        order.append(place)
        sums[place] = (tensor, values)
      } else {
        for index in values.indices { sums[place]?.values[index] += values[index] }
      }
    }
    let all = source.inventory.tensors
    func values(_ index: Int) -> [Double] {
      let bytes = source.bytes(ofTensor: index)
      // Adapters come in 16 bits.
      return all[index].format == .f16
        ? bytes.bindMemory(to: UInt16.self).map { Double(ck_half_to_float($0)) }
        : bytes.bindMemory(to: Float.self).map(Double.init)
    }
    for (index, tensor) in all.enumerated() {
      switch tensor.part {
      case .whole: add(tensor, values(index))
      case .outer, .adapterOuter: break
      case .inner, .adapterInner:
        let wanted: TensorPart = tensor.part == .inner ? .outer : .adapterOuter
        guard
          let outer = all.firstIndex(where: { $0.role == tensor.role && $0.layer == tensor.layer && $0.part == wanted })
        else { continue }
        let shape = TensorDescription(
          tensor.role, layer: Int(tensor.layer), rows: Int(all[outer].rows), columns: Int(tensor.columns), format: .f32)
        add(shape, Self.product(values(outer), values(index), shape, rank: Int(tensor.rows)))
      }
    }
    inventory = TensorInventory(tensors: order.compactMap { sums[$0]?.tensor })
    tensors = order.map { place in
      let values = sums[place]?.values.map { Float($0) } ?? []
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
      _ = buffer.initialize(from: values)
      return buffer
    }
  }

  private static func product(_ outer: [Double], _ inner: [Double], _ shape: TensorDescription, rank: Int) -> [Double] {
    let columns = Int(shape.columns)
    var result = [Double](repeating: 0, count: shape.elements)
    for row in 0..<Int(shape.rows) {
      for k in 0..<rank {
        for column in 0..<columns {
          result[row * columns + column] += outer[row * rank + k] * inner[k * columns + column]
        }
      }
    }
    return result
  }

  func bytes(ofTensor index: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(tensors[index]) }
  deinit { for tensor in tensors { tensor.deallocate() } }
  func prefetch(tensor index: Int) {}
}
