// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// How fast a device exchanges data with its host and with its equals, one way, by the vendors' figures.
package struct DeviceLinks: Sendable, Equatable {
  /// Between the host's memory and the device.
  package var host: Known<Bandwidth>
  /// Directly between two devices; unknown where they exchange through the host.
  package var peer: Known<Bandwidth>

  package init(
    host: Known<Bandwidth> = .unknown(reason: "nobody tells how the device is joined to its host"),
    peer: Known<Bandwidth> = .unknown(reason: "no direct link between devices is known")
  ) {
    self.host = host
    self.peer = peer
  }
}

/// A PCI Express connection.
package struct ExpressLink: Sendable, Equatable {
  package var generation: Int
  package var lanes: Int

  /// Transfers per second and lane, in 10⁹, by generation.
  static let transfers = [2.5, 5, 8, 16, 32, 64]

  /// Nil for what no slot has.
  package init?(generation: Int, lanes: Int) {
    guard (1...Self.transfers.count).contains(generation), [1, 2, 4, 8, 12, 16, 32].contains(lanes) else { return nil }
    self.generation = generation
    self.lanes = lanes
  }

  /// `4x16` and `4.0 x16`: the generation and the lanes.
  package init?(_ text: String) {
    let parts = text.lowercased().filter { !$0.isWhitespace }.split(separator: "x")
    guard parts.count == 2, let generation = Double(parts[0]), generation == generation.rounded(),
      let lanes = Int(parts[1]), (1...6).contains(generation)
    else { return nil }
    self.init(generation: Int(generation), lanes: lanes)
  }

  /// As the kernel writes it: `16.0 GT/s PCIe` and `16`.
  package init?(speed: String, width: String) {
    guard let number = speed.split(separator: " ").first.flatMap({ Double($0) }),
      let index = Self.transfers.firstIndex(of: number), let lanes = Int(width)
    else { return nil }
    self.init(generation: index + 1, lanes: lanes)
  }

  /// One way. Generations 1 and 2 send 8 bits as 10, 3 to 5 send 128 as 130, 6 sends 242 bytes of data in 256.
  package var bandwidth: Bandwidth {
    let share = generation <= 2 ? 0.8 : generation <= 5 ? 128.0 / 130 : 242.0 / 256
    return Bandwidth(magnitude: Self.transfers[generation - 1] * 1e9 / 8 * share * Double(lanes))
  }
}
