// SPDX-License-Identifier: Apache-2.0
package import CostModel
package import JSONText

extension EngineEfficiencies {
  /// The fitted coefficients that come with the program; a later folder's file replaces an earlier one's groups.
  ///
  /// - Throws: ``ProfileError`` naming the file and the key.
  package init(library: ProfileLibrary) throws(ProfileError) {
    self = .none
    for path in library.files(of: "speed") where path.hasSuffix("coefficients.json") {
      let bytes = try ProfileLibrary.read(path)
      let root: JSON
      do { root = try JSON(parsing: bytes) } catch { throw .invalidJSON(path: path, error) }
      for (key, value) in root["groups"]?.members?.map({ ($0.key, $0.value) }) ?? [] {
        guard let group = EngineGroup(rawValue: key) else { continue }
        guard let read = Group(value) else {
          throw .invalidProfile(path: path, item: "groups.\(key)", problem: "lacks a coefficient")
        }
        groups[group] = read
      }
    }
  }

  /// The contents of `coefficients.json`.
  package var json: [JSON.Member] {
    let note =
      "Fitted by 'anprobe accuracy --coefficients' to observations.json. Shares of the vendors' figures, seconds per "
      + "layer, operations per weight; intervals are of measured / predicted, 5 to 95 %, on machines left out of the fit."
    let members = EngineGroup.allCases.compactMap { group in
      groups[group].map { JSON.Member(group.rawValue, $0.json) }
    }
    return [.init("note", .string(note)), .init("groups", .object(members))]
  }
}

extension EngineEfficiencies.Group {
  fileprivate init?(_ json: JSON) {
    guard let machines = json["machines"]?.intValue, let rows = json["rows"]?.intValue,
      let decoding = FamilyValues(json["decodingCost"]), let product = FamilyValues(json["productCost"]),
      let launch = json["expertLaunch"]?.doubleValue, let expertProduct = json["expertProduct"]?.doubleValue,
      let overlap = json["overlap"]?.stringValue.flatMap(Efficiency.Overlap.init(rawValue:)),
      let plainStep = json["plainStep"]?.doubleValue, let plainPrompt = json["plainPrompt"]?.doubleValue,
      let list = json["classes"]?.members
    else { return nil }
    var byClass: [String: Efficiency] = [:]
    var intervals: [EngineEfficiencies.IntervalKey: ErrorInterval] = [:]
    for member in list {
      guard let values = SIMD8<Double>(coefficients: member.value) else { return nil }
      byClass[member.key] = Efficiency(
        values: values, decodingCost: decoding, productCost: product, expertLaunch: launch,
        expertProduct: expertProduct, plainStep: plainStep, plainPrompt: plainPrompt, overlap: overlap
      )
      for key in Self.keys(member.key) {
        guard let ends = member.value[key.name]?.arrayValue?.compactMap(\.doubleValue), ends.count == 2 else {
          continue
        }
        intervals[key] = ErrorInterval(low: ends[0], high: ends[1])
      }
    }
    guard let common = byClass.removeValue(forKey: "") else { return nil }
    self.init(
      classes: ClassEfficiencies(byClass: byClass, common: common), intervals: intervals, machines: machines, rows: rows
    )
  }

  fileprivate var json: JSON {
    let common = classes.common
    let members =
      [JSON.Member("", classJSON("", common))]
      + classes.byClass.sorted { $0.key < $1.key }.map { JSON.Member($0.key, classJSON($0.key, $0.value)) }
    return .object([
      .init("machines", .integer(Int64(machines))), .init("rows", .integer(Int64(rows))),
      .init("overlap", .string(common.overlap.rawValue)), .init("decodingCost", common.decodingCost.json),
      .init("productCost", common.productCost.json),
      .init("expertLaunch", .number(fourDigits(common.expertLaunch))),
      .init("expertProduct", .number(fourDigits(common.expertProduct))),
      .init("plainStep", .number(fourDigits(common.plainStep))),
      .init("plainPrompt", .number(fourDigits(common.plainPrompt))), .init("classes", .object(members)),
    ])
  }

  private func classJSON(_ key: String, _ efficiency: Efficiency) -> JSON {
    var members = Efficiency.Coefficient.allCases.map {
      JSON.Member($0.name, .number(fourDigits(efficiency[$0])))
    }
    for key in Self.keys(key) {
      guard let interval = intervals[key] else { continue }
      let ends: [JSON] = [.number(fourDigits(interval.low)), .number(fourDigits(interval.high))]
      members.append(.init(key.name, .array(ends)))
    }
    return .object(members)
  }
}

extension EngineEfficiencies.Group {
  fileprivate static func keys(_ classKey: String) -> [EngineEfficiencies.IntervalKey] {
    DeviceKind.allCases.flatMap { kind in
      SpeedObservation.Quantity.allCases.map { EngineEfficiencies.IntervalKey(classKey, kind, $0) }
    }
  }
}

extension EngineEfficiencies.IntervalKey {
  /// The key in the table: `decodeInterval, unified memory`.
  fileprivate var name: String { "\(quantity.rawValue)Interval, \(kind.rawValue)" }
}

/// Four significant digits: more would pretend.
func fourDigits(_ value: Double) -> Double {
  guard value != 0, value.isFinite else { return value }
  var scale = 1.0
  while abs(value) * scale < 1000 { scale *= 10 }
  while abs(value) * scale >= 10_000 { scale /= 10 }
  return (value * scale).rounded() / scale
}

extension SIMD8<Double> {
  fileprivate init?(coefficients json: JSON) {
    self.init(repeating: 1)
    for coefficient in Efficiency.Coefficient.allCases {
      guard let value = json[coefficient.name]?.doubleValue, value > 0 else { return nil }
      self[coefficient.rawValue] = value
    }
  }
}

extension FamilyValues {
  fileprivate init?(_ json: JSON?) {
    guard let json else { return nil }
    self.init()
    for family in FormatFamily.allCases {
      guard let value = json[family.name]?.doubleValue, value >= 0 else { return nil }
      self[family.rawValue] = value
    }
  }

  fileprivate var json: JSON {
    .object(FormatFamily.allCases.map { JSON.Member($0.name, .number(fourDigits(self[$0.rawValue]))) })
  }
}
