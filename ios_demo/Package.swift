// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "MiniVLMCore",
    platforms: [.iOS(.v18), .macOS(.v15)],
    products: [.library(name: "MiniVLMCore", targets: ["MiniVLMCore"])],
    targets: [
        .target(name: "MiniVLMCore", path: "MiniVLMCore"),
        .testTarget(name: "MiniVLMCoreTests", dependencies: ["MiniVLMCore"], path: "MiniVLMCoreTests"),
    ]
)
