import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "org.minivlm.demo"
    compileSdk =
        libs.versions.compileSdk
            .get()
            .toInt()

    defaultConfig {
        applicationId = "org.minivlm.demo"
        minSdk =
            libs.versions.minSdk
                .get()
                .toInt()
        targetSdk =
            libs.versions.compileSdk
                .get()
                .toInt()
        versionCode = 1
        versionName = "0.1.0"
        manifestPlaceholders["executorchVersion"] = libs.versions.executorch.get()
        manifestPlaceholders["litertVersion"] = libs.versions.litert.get()
        ndk.abiFilters += listOf("arm64-v8a", "x86_64") // what ExecuTorch's library has: others must not install
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
}

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_11
        // LiteRT is built with a newer Kotlin than this, which its classes say and its declarations do not need.
        freeCompilerArgs.add("-Xskip-metadata-version-check")
    }
}

/** -Pexecutorch=vulkan takes ExecuTorch's library with the Vulkan backend, which runs artifacts for XNNPACK, too. */
val executorchFlavor = providers.gradleProperty("executorch").getOrElse("xnnpack")

dependencies {
    implementation(project(":core"))
    when (executorchFlavor) {
        "xnnpack" -> implementation(libs.executorch.android)
        "vulkan" -> implementation(libs.executorch.android.vulkan)
        else -> throw GradleException("-Pexecutorch=$executorchFlavor: give xnnpack or vulkan")
    }
    implementation(libs.litert)
    implementation(libs.litert.gpu)
}
