// SPDX-License-Identifier: Apache-2.0
package import Hardware
internal import Quantities

/// What joins the places of a model: how fast bytes move, and what each exchange costs besides.
package struct PlaceLink: Sendable, Equatable {
  /// Bytes per second that exchanges reach, one way.
  package var bandwidth: Double
  /// Devices exchange directly, not through the host.
  package var isDirect: Bool
  /// The time may be so much shorter or longer, a factor.
  package var doubt: Double
  package var source: String

  package init(bandwidth: Double, isDirect: Bool, doubt: Double, source: String) {
    self.bandwidth = bandwidth
    self.isDirect = isDirect
    self.doubt = doubt
    self.source = source
  }

  /// What it adds to the errors of several devices, which hold those of their exchanges: nothing where the link is known.
  var errorDoubt: Double { doubt > Self.knownDoubt ? doubt : 1 }

  /// Share of a link's peak that large copies reach.
  ///
  /// - Source: NVIDIA's bandwidthTest as people usually print it: 12 to 13 of the 15.8 GB/s of PCI Express 3.0 x16, 24 to
  ///   26 of the 31.5 of 4.0.
  static let achieved = 0.8
  static let knownDoubt = 1.5
  /// Where nobody tells the link: PCI Express 4.0 with 16 lanes; it may be a quarter or twice of that.
  static let assumed = Bandwidth(magnitude: 31.5e9)
  static let assumedDoubt = 4.0

  /// Between devices: the direct link where there is one, else through the host.
  package static func between(_ links: DeviceLinks) -> PlaceLink {
    guard let peer = links.peer.value else { return toHost(links) }
    return PlaceLink(
      bandwidth: peer.magnitude * achieved, isDirect: true, doubt: knownDoubt,
      source: "\(peer) between devices, \(links.peer.source ?? "as described")")
  }

  package static func toHost(_ links: DeviceLinks) -> PlaceLink {
    guard let host = links.host.value else {
      return PlaceLink(
        bandwidth: assumed.magnitude * achieved, isDirect: false, doubt: assumedDoubt,
        source: "\(assumed) assumed (PCI Express 4.0 x16), since nobody tells the link")
    }
    return PlaceLink(
      bandwidth: host.magnitude * achieved, isDirect: false, doubt: knownDoubt,
      source: "\(host) to the host, \(links.host.source ?? "as described")")
  }
}

/// Devices that share a model.
package struct DeviceGroup: Sendable, Equatable {
  /// Devices that share every matrix.
  package var parallel = 1
  /// Groups of them that hold layers in turn.
  package var stages = 1
  package var link: PlaceLink
  package var sharing: EngineSharing
  /// Routed experts stand whole on one device each, where the others of its group hold other ones.
  package var holdsExpertsWhole = false

  package var devices: Int { parallel * stages }

  package init(parallel: Int, stages: Int, link: PlaceLink, sharing: EngineSharing) {
    self.parallel = parallel
    self.stages = stages
    self.link = link
    self.sharing = sharing
  }

  /// What starting a joint sum takes, and each of its 2·(n − 1) steps.
  ///
  /// - Source: GenZ (arXiv 2406.01698): 5 µs and 1.9 µs over NVLink; aiconfigurator's 10 µs between devices through PCIe.
  static let sumSeconds = 5e-6
  static let stepSeconds = (direct: 1.9e-6, throughHost: 10e-6)

  /// Seconds that a pass takes for exchanges between the devices.
  package func transfer(_ pass: PassWork) -> Double {
    sums(pass) + hops(pass)
  }

  /// Two joint sums a layer, after attention and after the feed-forward part, each of 2·(n − 1)/n of the states.
  private func sums(_ pass: PassWork) -> Double {
    guard parallel > 1 else { return 0 }
    let steps = 2 * Double(parallel - 1)
    let step = link.isDirect ? Self.stepSeconds.direct : Self.stepSeconds.throughHost
    let bytes = steps / Double(parallel) * pass.tokens / pass.launches * pass.hidden * 2
    return 2 * pass.modelLayers * pass.launches * (Self.sumSeconds + steps * step + bytes / link.bandwidth)
  }

  /// A state that goes from one stage to the next; of a prompt's micro-batches those that wait for each other.
  private func hops(_ pass: PassWork) -> Double {
    guard stages > 1 else { return 0 }
    let bytes = pass.tokens / pass.launches * pass.hidden * sharing.stateBytes
    return waits(pass) * (sharing.hopSeconds + bytes / link.bandwidth)
  }

  private func waits(_ pass: PassWork) -> Double {
    batches(pass).reduce(0) { $0 + $1.count * ($1.size + Double(stages) - 2) }
  }

  /// The share of the time on one device that remains when micro-batches follow each other through the stages:
  /// (m + n − 1) / (m·n) of m that are on their way together.
  package func fill(_ pass: PassWork) -> Double {
    guard stages > 1 else { return 1 }
    let steps = batches(pass).reduce(0) { $0 + $1.count * ($1.size + Double(stages) - 1) }
    return steps / (Double(stages) * pass.launches)
  }

  /// How many micro-batches are on their way together, and how often.
  func batches(_ pass: PassWork) -> [(size: Double, count: Double)] {
    let together = pass.isPrompt ? Double(sharing.microBatchesTogether) : 1
    let whole = (pass.launches / together).rounded(.down)
    let rest = pass.launches - whole * together
    return [(together, whole), (rest, 1)].filter { $0.0 > 0 && $0.1 > 0 }
  }
}

/// How an engine shares a model between places.
package struct EngineSharing: Sendable, Equatable {
  /// Takes a number of layers for the devices and leaves the rest to the processor.
  package var countsLayers = false
  /// Shares every matrix between devices.
  package var dividesMatrices = false
  /// Holds layers in turn on several devices by itself.
  package var holdsLayersInTurn = false
  /// The table of embeddings stays with the processor, which looks up the rows.
  package var keepsTableOnHost = false
  /// Micro-batches of a prompt that follow each other through the stages.
  package var microBatchesTogether = 1
  /// Bytes per element of the states that are exchanged.
  package var stateBytes = 2.0
  /// What the step from one stage to the next takes besides its bytes.
  package var hopSeconds = 10e-6

  /// llama.cpp: a batch of 2048 tokens goes through in micro-batches of 512.
  ///
  /// - Source: Dai's GPU benchmarks, llama.cpp of 2024: of ten machines with 2 to 8 cards a step took 0.12 to 0.36 ms more
  ///   per further card than on one of them, 0.2 ms in the middle, whatever the model.
  static let layers = EngineSharing(
    countsLayers: true, holdsLayersInTurn: true, keepsTableOnHost: true, microBatchesTogether: 4, stateBytes: 4,
    hopSeconds: 0.2e-3)
  static let matrices = EngineSharing(dividesMatrices: true)
  /// Modules on several devices, one after the other, moved by hooks in Python.
  static let modules = EngineSharing(holdsLayersInTurn: true, hopSeconds: 0.2e-3)
  static let alone = EngineSharing()
}

extension Efficiency {
  /// The terms of a pass on equal devices that share the model.
  package func terms(_ pass: PassWork, on device: DeviceRates, sharedBy group: DeviceGroup?) -> Terms {
    guard let group, group.devices > 1 else { return terms(pass, on: device) }
    var terms = terms(pass.shared(by: group.parallel, wholeExperts: group.holdsExpertsWhole), on: device)
    let fill = group.fill(pass)
    terms.memory *= fill
    terms.arithmetic *= fill
    terms.attention *= fill
    terms.launches *= fill
    terms.transfer = group.transfer(pass)
    return terms
  }
}

extension PassWork {
  /// What each of so many devices does that share every matrix; a device holds one KV head at least.
  func shared(by devices: Int, wholeExperts: Bool = false) -> PassWork {
    guard devices > 1 else { return self }
    var pass = self
    let share = 1 / Double(devices)
    let routedShare =
      wholeExperts ? ExpertPlacement.busiest(experts: experts, visited: visitedExperts, devices: devices) : share
    pass.routedBytes *= routedShare
    pass.weightBytes = (weightBytes - routedBytes) * share + pass.routedBytes
    pass.elements *= share
    pass.operations *= share
    pass.cacheBytes *= KeyValueShare.of(heads: keyValueHeads, devices: devices)
    pass.attentionOperations *= share
    return pass
  }
}

/// The share of the cache that each device holds that shares every matrix with others: whole KV heads, at least one.
enum KeyValueShare {
  static func of(heads: Int, devices: Int) -> Double {
    let heads = max(1, heads)
    return Double((heads + devices - 1) / devices) / Double(heads)
  }
}
