// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import Hardware
internal import LanguageModel
internal import Quantities

/// Finds where the parts of a model stand on a platform, and what each place must hold.
struct Placer: Sendable {
  struct Placed: Sendable {
    var distribution: Distribution
    var memory: MemorySums
    var places: [MemoryPlace]

    var fits: Bool { places.allSatisfy { $0.verdict != .no } }
  }

  private let platform: Platform
  private let sharing: EngineSharing
  private let heads: Int
  private let keyValueHeads: Int
  private let layerCount: Int
  private let experts: Int
  private var hasExperts: Bool { experts > 0 }
  private let hasTiedHead: Bool
  private let loads: LayerLoads?
  /// Everything but the weights, by groups of devices.
  private let bases: [Group: MemorySums]
  private let processorBase: MemorySums

  private struct Group: Hashable {
    var parallel: Int
    var stages: Int
  }

  init(
    _ model: LanguageModelDescription, on platform: Platform, _ workload: Workload,
    base: (EngineMemory.Placement) -> MemorySums
  ) {
    self.platform = platform
    sharing = EngineRules.of(platform.engine).sharing
    heads = model.architecture.fewestHeads
    keyValueHeads = model.architecture.fewestKeyValueHeads
    layerCount = model.architecture.layers.count
    experts = model.architecture.layers.map { $0.feedForward?.experts ?? 0 }.max() ?? 0
    hasTiedHead = model.architecture.hasTiedEmbeddings
    loads = platform.mayShare ? LayerLoads(model, workload) : nil
    var bases: [Group: MemorySums] = [:]
    for group in Self.groups(platform, sharing, heads: heads) {
      bases[group] = base(platform.placement(parallel: group.parallel, stages: group.stages))
    }
    self.bases = bases
    processorBase = base(platform.processorPlacement)
  }

  /// The groups of devices that an engine would form, the smallest first; those of a wish alone.
  private static func groups(_ platform: Platform, _ sharing: EngineSharing, heads: Int) -> [Group] {
    let (wish, there) = (platform.wish, platform.deviceCount)
    if wish.tensorParallel != nil || wish.pipelineParallel != nil {
      return [Group(parallel: wish.tensorParallel ?? 1, stages: wish.pipelineParallel ?? 1)]
    }
    let one = Group(parallel: 1, stages: 1)
    if sharing.dividesMatrices {
      let powers = [1, 2, 4, 8, 16, 32, 64].filter { $0 <= there && heads % $0 == 0 }
      return powers.isEmpty ? [one] : powers.map { Group(parallel: $0, stages: 1) }
    }
    return sharing.holdsLayersInTurn && there > 1 ? [one, Group(parallel: 1, stages: there)] : [one]
  }

  /// Heads that a wish does not divide evenly; nil where it does.
  var undivided: (heads: Int, devices: Int)? {
    guard let devices = platform.wish.tensorParallel, heads % devices != 0 else { return nil }
    return (heads, devices)
  }

  /// - Parameter weights: of the whole model, as loaded.
  func place(_ summary: VariantSummary, _ weights: Known<ByteCount>) -> Placed {
    guard platform.device != nil, platform.wish.gpuLayers != .count(0) else {
      return onProcessor(processorBase.with(weights: weights))
    }
    let bytes = ClassBytes(summary, hasTiedHead: hasTiedHead)
    let groups = bases.keys.sorted { $0.parallel * $0.stages < $1.parallel * $1.stages }
    var last: Placed?
    for group in groups {
      let placed = place(wished(group), group, bytes, weights)
      if placed.fits { return placed }
      last = placed
    }
    guard let last, let group = groups.last else { return onProcessor(processorBase.with(weights: weights)) }
    return offloaded(group, bytes, weights) ?? last
  }

  /// Everything where the processor computes.
  func onProcessor(_ memory: MemorySums) -> Placed {
    let place = MemoryPlace(
      kind: .processor, count: 1, layers: layerCount, needed: memory.total.value ?? .zero,
      usable: platform.hostCapacity.usable)
    return Placed(distribution: .processor(layers: layerCount), memory: memory, places: [place])
  }

  /// What a person asks for, or everything on the devices.
  private func wished(_ group: Group) -> Distribution {
    var distribution = Distribution.devices(layers: layerCount, parallel: group.parallel, stages: group.stages)
    distribution.shares = shares(group)
    distribution.holdsExpertsWhole = platform.wish.expertParallel && hasExperts && group.parallel > 1
    if case .count(let counted) = platform.wish.gpuLayers {
      distribution = split(counted: min(counted, layerCount + 1), group)
    }
    if let kept = platform.wish.processorExperts, hasExperts {
      distribution.expertLayers = min(distribution.deviceLayers, max(0, layerCount - kept))
    }
    return distribution
  }

  /// As much on the devices as they hold, the rest with the processor: of a mixture the experts first. Nil where the
  /// engine does not, or nobody knows the processor's memory.
  private func offloaded(_ group: Group, _ bytes: ClassBytes, _ weights: Known<ByteCount>) -> Placed? {
    guard sharing.countsLayers, platform.wish == .none, platform.hostCapacity.usable.value != nil, loads != nil else {
      return nil
    }
    if hasExperts {
      let placed = most(from: 0, upTo: layerCount) { count in
        var distribution = Distribution.devices(layers: layerCount, stages: group.stages)
        distribution.shares = shares(group)
        distribution.expertLayers = count
        return place(distribution, group, bytes, weights)
      }
      if let placed { return placed }
    }
    return most(from: 1, upTo: layerCount + 1) { count in
      place(split(counted: count, group), group, bytes, weights)
    }
  }

  private func shares(_ group: Group) -> [Double] { platform.shares(parallel: group.parallel, stages: group.stages) }

  private func split(counted: Int, _ group: Group) -> Distribution {
    var distribution = Distribution.split(layers: layerCount, counted: counted, stages: group.stages)
    if distribution.stages == group.stages { distribution.shares = shares(group) }
    return distribution
  }

  /// The placement with the largest count whose devices hold it; nil where not even that with none does.
  private func most(from first: Int, upTo limit: Int, _ place: (Int) -> Placed) -> Placed? {
    func holds(_ placed: Placed) -> Bool { placed.places.allSatisfy { $0.kind != .device || $0.verdict != .no } }
    var best: Placed?
    var (low, high) = (first, limit)
    while low <= high {
      let middle = (low + high) / 2
      let placed = place(middle)
      if holds(placed) {
        best = placed
        low = middle + 1
      } else {
        high = middle - 1
      }
    }
    return best
  }

  /// What every place of a distribution must hold.
  private func place(
    _ distribution: Distribution, _ group: Group, _ bytes: ClassBytes, _ weights: Known<ByteCount>
  ) -> Placed {
    guard distribution.usesDevices, let base = bases[group] else {
      return onProcessor(processorBase.with(weights: weights))
    }
    let memory = base.with(weights: weights)
    var places = devicePlaces(distribution, memory, bytes)
    if distribution.usesProcessor { places.append(processorPlace(distribution, memory, bytes)) }
    return Placed(distribution: distribution, memory: memory, places: places)
  }

  /// Of equal devices the fullest; of unequal ones the fullest of each kind.
  private func devicePlaces(_ distribution: Distribution, _ memory: MemorySums, _ bytes: ClassBytes) -> [MemoryPlace] {
    let table = sharing.keepsTableOnHost ? 0 : bytes.table
    // A tied head reads the table where the first stage keeps it; elsewhere it is a copy.
    let addsHead = sharing.keepsTableOnHost || !hasTiedHead || distribution.stages > 1
    let beside = (memory.besides.value?.magnitude ?? 0) / Double(distribution.devices)
    // The sum over the devices counts heads that several of them keep as often as they do.
    let share = KeyValueShare.of(heads: keyValueHeads, devices: distribution.parallel)
    let cache = (memory.keyValueCache.value?.magnitude ?? 0) / (share * Double(distribution.parallel))
    let expertShare =
      distribution.holdsExpertsWhole
      ? ExpertPlacement.held(experts: experts, devices: distribution.parallel) : 1 / Double(distribution.parallel)
    var places: [MemoryPlace] = []
    for (stage, range) in distribution.stageLayers.enumerated() {
      let held = self.held(range, distribution)
      var own = held.dense * bytes.dense
      if stage == 0 { own += table }
      if stage == distribution.stages - 1, distribution.hasHead, addsHead { own += bytes.head }
      own = own / Double(distribution.parallel) + held.experts * bytes.experts * expertShare
      let needed = own + held.cache * cache * share + beside
      add(stage, range.count, ByteCount(magnitude: needed), distribution, to: &places)
    }
    return places
  }

  /// Adds a stage's devices to those of their kind, of which the fullest is told.
  private func add(
    _ stage: Int, _ layers: Int, _ needed: ByteCount, _ distribution: Distribution, to places: inout [MemoryPlace]
  ) {
    let first = stage * distribution.parallel
    let devices = platform.devices.dropFirst(first).prefix(distribution.parallel)
    let room = Capacity(fullestOf: devices.isEmpty ? platform.devices : Array(devices))
    let isOfKind = platform.hasUnequalDevices && distribution.parallel == 1
    var place = MemoryPlace(
      kind: .device, count: distribution.parallel, layers: layers, needed: needed, usable: room.usable)
    if isOfKind { place.device = devices.first?.name }
    guard let index = places.firstIndex(where: { $0.device == place.device }) else { return places.append(place) }
    let count = places[index].count + place.count
    if (place.load, needed) > (places[index].load, places[index].needed) { places[index] = place }
    places[index].count = count
  }

  /// Shares of a range of layers; experts of the first layers may be with the processor.
  private func held(
    _ range: Range<Int>, _ distribution: Distribution
  ) -> (dense: Double, experts: Double, cache: Double) {
    guard let loads else { return (1, 1, 1) }
    let all = loads.of(range)
    let firstExpert = layerCount - distribution.expertLayers
    return (
      all.dense, loads.of(max(range.lowerBound, firstExpert)..<max(range.upperBound, firstExpert)).experts, all.cache
    )
  }

  private func processorPlace(_ distribution: Distribution, _ memory: MemorySums, _ bytes: ClassBytes) -> MemoryPlace {
    let rest = held(0..<layerCount - distribution.deviceLayers, .processor(layers: layerCount))
    let experts = loads?.of(0..<layerCount - distribution.expertLayers).experts ?? 0
    let cache = rest.cache * (memory.keyValueCache.value?.magnitude ?? 0)
    let weights =
      rest.dense * bytes.dense + experts * bytes.experts + bytes.table
      + (distribution.hasHead || hasTiedHead ? 0 : bytes.head)
    let besides = (memory.compute.value?.magnitude ?? 0) / Double(distribution.devices)
    return MemoryPlace(
      kind: .processor, count: 1, layers: layerCount - distribution.deviceLayers,
      needed: ByteCount(magnitude: weights + cache + besides), usable: platform.hostCapacity.usable)
  }
}

/// A variant's bytes by where engines put them.
struct ClassBytes: Sendable {
  /// The table that turns tokens into states, and the matrix that turns states into logits; of a tied model the same.
  let table: Double
  let head: Double
  let experts: Double
  let dense: Double

  init(_ summary: VariantSummary, hasTiedHead: Bool) {
    table = summary.bytes(of: .embedding).magnitude
    head = hasTiedHead ? table : summary.bytes(of: .outputHead).magnitude
    experts = summary.bytes(of: .routedExperts).magnitude
    let all = summary.alignedBytes.magnitude
    dense = max(0, all - table - experts - (hasTiedHead ? 0 : head))
  }
}
