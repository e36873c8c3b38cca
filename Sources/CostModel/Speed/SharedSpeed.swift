// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// A model that several devices share, or devices and the processor: each part at the pace of its place, one after the
/// other, and the exchanges between them.
package struct SharedSpeed: SpeedModel {
  package let basis = Basis.modelled
  package let source: String
  private let devices: DeviceStages
  private let processor: FittedSpeed?
  private let distribution: Distribution
  private let hostLink: PlaceLink

  /// What handing over to another place takes besides the bytes.
  ///
  /// - Source: llama.cpp's scheduler: a split of its graph waits for the copies and starts the next, 10 to 20 µs.
  static let handOverSeconds = 15e-6
  /// Prompts of so many tokens at least multiply weights of the processor's memory on the device, each copied for it.
  static let copiedFrom = 32.0

  init(
    _ devices: DeviceStages, _ processor: FittedSpeed?, _ distribution: Distribution, host: PlaceLink
  ) {
    self.devices = devices
    self.processor = processor
    self.distribution = distribution
    hostLink = host
    let link = devices.group.link.source
    let links = (devices.group.devices > 1 ? [link] : []) + (processor == nil ? [] : [host.source])
    source =
      "\(distribution.sentence): \(devices.source)"
      + (processor.map { "; \($0.source)" } ?? "") + "; \(links.joined(separator: "; "))"
  }

  package func decodeStep(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    let (engine, group) = (devices.first.engine, devices.group)
    // Stages of a serving engine work on as many groups of sequences at once.
    let sequences = max(1, model.workload.sequences)
    let groups = group.sharing.dividesMatrices ? min(group.stages, sequences) : 1
    let together = (sequences + groups - 1) / groups
    let time = devices.time(.decode) { .step(work, model, by: engine, $0, together: together) }
    guard let processor else { return time }
    var rest = processor.time(.step(work, model, by: engine, distribution.onProcessor), .decode)
    rest.onProcessor = rest.total
    return time + rest + handOver(tokens: Double(sequences), model)
  }

  package func prefill(_ work: VariantWork, _ model: ModelWork) throws(NoSpeed) -> PhaseTime {
    let engine = devices.first.engine
    let time = devices.time(.prefill) { .prompt(work, model, by: engine, $0) }
    guard let processor else { return time }
    let rest = PassWork.prompt(work, model, by: engine, distribution.onProcessor)
    guard rest.tokens / rest.launches >= Self.copiedFrom else {
      var slow = processor.time(rest, .prefill)
      slow.onProcessor = slow.total
      return time + slow + handOver(tokens: rest.tokens, model)
    }
    // The products go to the device with their weights; attention stays with its cache.
    var products = rest
    products.attentionOperations = 0
    var attention = rest
    attention.weightBytes = 0
    attention.operations = FamilyValues()
    var slow = processor.time(attention, .prefill)
    slow.onProcessor = slow.total
    return time + devices.first.time(products, .prefill) + slow + copied(rest.weightBytes)
      + handOver(tokens: rest.tokens, model)
  }

  /// States to the device and back, one for each border between places.
  private func handOver(tokens: Double, _ model: ModelWork) -> PhaseTime {
    let kept = distribution.deviceLayers - distribution.expertLayers
    let borders = 2 * Double(max(1, kept))
    return exchange(borders * (Self.handOverSeconds + tokens * Double(model.hiddenSize) * 4 / hostLink.bandwidth))
  }

  private func copied(_ bytes: Double) -> PhaseTime { exchange(bytes / hostLink.bandwidth) }

  private func exchange(_ seconds: Double) -> PhaseTime {
    var time = PhaseTime()
    time.transfer = seconds
    time.range = (1 / hostLink.doubt, hostLink.doubt)
    return time
  }
}
