// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// The floors of docs/decisions/0001-floors.md, lowest first. A target may import only what stands below it;
// scripts/check-dependencies holds this.
// Warnings are errors where we develop; a newer compiler's new warning must not stop somebody's release build.
let strict: [SwiftSetting] = [
  .unsafeFlags(["-warnings-as-errors"], .when(configuration: .debug)),
  // Small generic types (quantities, intervals) live in other modules than their users: 2.5 times faster with it.
  .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

// SwiftPM compiles C with -O0 in debug builds, 20 to 40 times slower: tests that run a model need -O3.
let shim: [CSetting] = [.define("_GNU_SOURCE"), .unsafeFlags(["-Werror"], .when(configuration: .debug))]
// Portable kernels define the others, so they round alike on every architecture: no sum is fused with a product unasked.
let kernels: [CSetting] = shim + [.unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=off"])]

func floor(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.init(stringLiteral: name), "TestSupport"] + dependencies,
    resources: resources, swiftSettings: strict)
}

let package = Package(
  name: "anprobe",
  products: [.executable(name: "anprobe", targets: ["Terminal"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
  ],
  targets: [
    // Floor 0: units, text formats, C.
    floor("Quantities"),
    floor("JSONText"),
    floor("Jinja", ["Quantities", "JSONText"]),
    .target(name: "CKernels", cSettings: kernels, linkerSettings: [.linkedLibrary("m")]),
    .target(name: "CHostProbe", dependencies: ["CHwloc"], cSettings: shim),
    .target(name: "CCurl", cSettings: shim, linkerSettings: [.linkedLibrary("curl")]),
    .systemLibrary(name: "CHwloc", pkgConfig: "hwloc", providers: [.apt(["libhwloc-dev"])]),

    // Floor 1: values and pure functions.
    floor("Hardware", ["Quantities", "JSONText"]),
    floor("LanguageModel", ["Quantities", "JSONText"]),
    floor("Compression", ["Quantities", "LanguageModel"]),
    floor("Evidence", ["Quantities", "JSONText", "Hardware", "LanguageModel", "Compression"]),
    floor("CostModel", ["Quantities", "Hardware", "LanguageModel", "Compression", "Evidence"]),
    floor("Recommender", ["Quantities", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel"]),
    floor(
      "Reports",
      ["Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel", "Recommender"]),

    // Floor 2: the machine, files, the network.
    floor("HardwareProbe", ["Quantities", "JSONText", "Hardware", "CHostProbe", "CHwloc"]),
    floor("ModelFiles", ["Quantities", "JSONText", "LanguageModel", "Compression"]),
    floor(
      "Inference",
      [
        "Quantities", "JSONText", "Jinja", "Hardware", "LanguageModel", "Compression", "CostModel", "ModelFiles",
        "HardwareProbe", "CKernels", "CHostProbe",
      ]),
    floor(
      "Training",
      ["Quantities", "JSONText", "LanguageModel", "ModelFiles", "Inference"]),
    floor(
      "Runner",
      [
        "Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel",
        "HardwareProbe", "ModelFiles", "Inference",
      ]),
    floor("Hub", ["Quantities", "JSONText", "LanguageModel", "ModelFiles", "CCurl"]),
    floor(
      "Archive",
      [
        "Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel",
        .product(name: "GRDB", package: "GRDB.swift"),
      ]),
    .target(
      name: "Profiles",
      dependencies: ["Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel"],
      path: ".", exclude: excludedFromProfiles, sources: ["Sources/Profiles"],
      resources: [.copy("profiles")], swiftSettings: strict),

    // Floor 3: the one path that every face uses.
    floor(
      "Planning",
      [
        "Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel", "Recommender",
        "Reports", "HardwareProbe", "ModelFiles", "Inference", "Training", "Runner", "Hub", "Archive", "Profiles",
      ]),

    // Floor 4: faces.
    .executableTarget(
      name: "Terminal",
      dependencies: [
        "Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel", "Recommender",
        "Reports", "Inference", "Training", "Profiles", "Planning",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict),

    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .target(name: "TileEmulator", path: "Tests/TileEmulator", cSettings: kernels),
    tests("Quantities", []),
    tests("JSONText", []),
    tests("Jinja", ["JSONText"], resources: [.copy("Golden")]),
    tests("CKernels", ["TileEmulator"], resources: [.copy("Emulation"), .copy("Vectors")]),
    tests("Hardware", ["Quantities", "JSONText"]),
    tests("LanguageModel", ["Quantities", "JSONText", "Profiles"]),
    tests("Compression", ["Quantities", "LanguageModel", "Profiles"]),
    tests("Evidence", ["Quantities", "JSONText", "Compression"]),
    tests("CostModel", ["Quantities", "Hardware", "LanguageModel", "Compression", "Evidence", "Profiles"]),
    tests(
      "Recommender", ["Quantities", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel", "Profiles"]),
    tests(
      "Reports",
      ["Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel", "Recommender"]),
    tests("HardwareProbe", ["Quantities", "JSONText", "Hardware"], resources: [.copy("Machines")]),
    tests("ModelFiles", ["Quantities", "JSONText", "LanguageModel", "Compression"]),
    tests(
      "Inference",
      [
        "Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "CostModel", "ModelFiles", "CKernels",
        "TileEmulator",
      ],
      resources: [.copy("Models"), .copy("Golden")]),
    tests("Training", ["LanguageModel", "Compression", "CostModel", "ModelFiles", "Inference"]),
    tests(
      "Runner",
      [
        "Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel", "HardwareProbe",
        "Inference",
        "ModelFiles", "Training",
      ], resources: [.copy("Fixtures")]),
    tests("Hub", ["Quantities", "JSONText", "LanguageModel", "ModelFiles"]),
    tests(
      "Archive",
      [
        "Quantities", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel",
        .product(name: "GRDB", package: "GRDB.swift"),
      ]),
    tests("Profiles", ["Quantities", "Hardware", "LanguageModel", "Compression", "Evidence"]),
    tests(
      "Planning",
      [
        "Quantities", "JSONText", "Hardware", "LanguageModel", "Compression", "Evidence", "CostModel", "Recommender",
        "Profiles", "HardwareProbe", "ModelFiles", "Training", "Runner", "Archive",
      ]),
    .testTarget(name: "TerminalTests", dependencies: ["TestSupport", "JSONText", "Terminal"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)

/// The target `Profiles` has the top level as its root so that `profiles/` can be its resources; all else is left out.
var excludedFromProfiles: [String] {
  let neighbours = [
    "Archive", "CCurl", "CHostProbe", "CHwloc", "CKernels", "Compression", "CostModel", "Evidence", "Hardware",
    "HardwareProbe", "Hub", "Inference", "JSONText", "Jinja", "LanguageModel", "ModelFiles", "Planning", "Quantities",
    "Recommender", "Reports", "Runner", "Terminal", "Training",
  ]
  return ["Tests", "docs", "scripts", "reports", "README.md", "LICENSE", "CHANGELOG.md"]
    + neighbours.map { "Sources/\($0)" }
}
