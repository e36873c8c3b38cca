// SPDX-License-Identifier: Apache-2.0
internal import Quantities

/// The coefficients of a group of engines as one vector of logarithms: first those common to all classes, then what each
/// class adds, then the costs of the formats.
package struct SpeedParameters: Sendable {
  package let classes: [String]
  package var values: [Double]
  package let overlap: Efficiency.Overlap
  private let index: [String: Int]

  static let perClass = Efficiency.Coefficient.allCases.count
  static let families = FormatFamily.allCases.count

  package var count: Int { values.count }
  var classStart: Int { Self.perClass }
  var decodingStart: Int { Self.perClass * (classes.count + 1) }
  var productStart: Int { decodingStart + Self.families }
  var expertStart: Int { productStart + Self.families }

  package init(classes: [String], values: [Double], overlap: Efficiency.Overlap) {
    self.classes = classes
    self.values = values
    self.overlap = overlap
    index = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
  }

  /// Where every fit starts, and to where little evidence leaves a coefficient.
  static func start(classes: [String], prior: SpeedPrior) -> SpeedParameters {
    let zeros = [Double](repeating: 0, count: perClass * classes.count)
    let values = prior.common.map(Logarithm.natural) + zeros + prior.decodingCost.map(Logarithm.natural)
    let rest = prior.productCost.map(Logarithm.natural) + prior.expert.map(Logarithm.natural)
    return SpeedParameters(classes: classes, values: values + rest, overlap: prior.overlap)
  }

  func position(of classKey: String) -> Int? { index[classKey] }

  /// The coefficients of one class; of a class that was never seen, those common to all.
  package func efficiency(_ classKey: String) -> Efficiency {
    let offset = index[classKey].map { classStart + Self.perClass * $0 }
    var coefficients = SIMD8<Double>(repeating: 1)
    for lane in 0..<Self.perClass {
      coefficients[lane] = Logarithm.exponential(values[lane] + (offset.map { values[$0 + lane] } ?? 0))
    }
    var (decoding, product) = (FamilyValues(), FamilyValues())
    for family in 0..<Self.families {
      decoding[family] = Logarithm.exponential(values[decodingStart + family])
      product[family] = Logarithm.exponential(values[productStart + family])
    }
    return Efficiency(
      values: coefficients, decodingCost: decoding, productCost: product,
      expertLaunch: Logarithm.exponential(values[expertStart]),
      expertProduct: Logarithm.exponential(values[expertStart + 1]),
      plainStep: Logarithm.exponential(values[expertStart + 2]),
      plainPrompt: Logarithm.exponential(values[expertStart + 3]), overlap: overlap)
  }
}

/// The coefficients of every class of a group, and those of a class that nobody measured.
package struct ClassEfficiencies: Sendable {
  package var byClass: [String: Efficiency]
  package var common: Efficiency

  package init(byClass: [String: Efficiency], common: Efficiency) {
    self.byClass = byClass
    self.common = common
  }

  package subscript(classKey: String) -> Efficiency { byClass[classKey] ?? common }
}

extension SpeedParameters {
  package var efficiencies: ClassEfficiencies {
    ClassEfficiencies(
      byClass: Dictionary(uniqueKeysWithValues: classes.map { ($0, efficiency($0)) }), common: efficiency(""))
  }
}

/// What was known of the coefficients before any data: physical sizes with a spread in natural logarithms.
package struct SpeedPrior: Sendable {
  /// In the order of `Efficiency.Coefficient`.
  var common: [Double]
  var commonSpread: [Double]
  /// How far a class may stand from what is common.
  var classSpread: [Double]
  var decodingCost: [Double] = [1, 4, 4, 5, 10, 10, 12, 9, 7, 12]
  var productCost: [Double] = [0.9, 1, 1, 1, 1.2, 1.1, 1.2, 1.2, 1.1, 1.3]
  /// A row of a machine with n rows weighs n to minus this power: a machine measured a hundred times is no hundred
  /// machines, and with 1 every machine weighs alike.
  var crowding = 0.5
  var overlap = Efficiency.Overlap.large
  /// The spread of an honest measurement about the model, in natural logarithms; errors far beyond it hardly count.
  var scale = 0.1
  var decodingSpread = 0.5
  var productSpread = 0.3
  /// Launches and products of experts, plain attention in steps and in prompts: additions to 1.
  var expert: [Double] = [1, 0.7, 0.5, 1.5]
  var expertSpread = 0.6

  func spreads(classes: Int) -> [Double] {
    var result = commonSpread
    for _ in 0..<classes { result += classSpread }
    result += [Double](repeating: decodingSpread, count: decodingCost.count)
    result += [Double](repeating: productSpread, count: productCost.count)
    return result + [Double](repeating: expertSpread, count: expert.count)
  }

  /// Devices: 85 % of the bandwidth, 40 µs a layer, 35 % of the dense peak.
  static let devices = SpeedPrior(
    common: [0.85, 40e-6, 0.4, 0.35, 0.4, 200e-6, 0.2], commonSpread: [0.15, 0.6, 0.5, 0.7, 0.4, 0.7, 0.7],
    classSpread: [0.10, 0.35, 0.4, 0.5, 0.35, 0.5, 0.6])
  /// Processors: 72 % of the bandwidth, 60 µs a layer.
  static let processors = SpeedPrior(
    common: [0.72, 60e-6, 0.8, 0.35, 0.5, 60e-6, 0.2], commonSpread: [0.15, 0.5, 0.5, 0.5, 0.5, 0.5, 0.6],
    classSpread: [0.15, 0.4, 0.3, 0.5, 0.3, 0.2, 0.3], crowding: 1, overlap: .partial,
    scale: 0.07)
  /// Engines of 16-bit and group-quantised weights: dispatch from Python takes 0.05 to 0.9 ms a layer.
  static let servers = SpeedPrior(
    common: [0.75, 60e-6, 0.5, 0.5, 0.45, 150e-6, 0.2], commonSpread: [0.2, 0.8, 0.5, 0.6, 0.3, 0.6, 0.6],
    classSpread: [0.2, 1.2, 0.5, 0.5, 0.3, 0.8, 0.5])
}
