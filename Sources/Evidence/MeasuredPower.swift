// SPDX-License-Identifier: Apache-2.0
package import JSONText
internal import Hardware
package import Quantities

/// What a meter showed while a model decoded.
package struct MeasuredPower: Sendable, Equatable {
  /// One of its sources.
  package struct Part: Sendable, Equatable {
    package var name: String
    package var power: Known<Power>
    package init(name: String, power: Known<Power>) {
      self.name = name
      self.power = power
    }
  }

  /// Its kind and what it counts.
  package var meter: String
  package var decode: Known<Power>
  /// With the model loaded and nothing to do; nil when nobody asked for it.
  package var idle: Known<Power>?
  /// Per generated token, less what the machine takes at rest in the same time.
  package var aboveIdlePerToken: Known<Energy>?
  /// Every source alone, those that are parts of others included.
  package var parts: [Part]

  package init(
    meter: String, decode: Known<Power>, idle: Known<Power>? = nil, aboveIdlePerToken: Known<Energy>? = nil,
    parts: [Part] = []
  ) {
    self.meter = meter
    self.decode = decode
    self.idle = idle
    self.aboveIdlePerToken = aboveIdlePerToken
    self.parts = parts
  }

  package var json: JSON {
    var members: [JSON.Member] = [.init("meter", .string(meter)), .init("decodeWatts", decode.json)]
    if let idle { members.append(.init("idleWatts", idle.json)) }
    if let aboveIdlePerToken { members.append(.init("aboveIdleJoulesPerToken", aboveIdlePerToken.json)) }
    members.append(
      .init("parts", .array(parts.map { ["name": .string($0.name), "watts": $0.power.json] })))
    return .object(members)
  }
}
