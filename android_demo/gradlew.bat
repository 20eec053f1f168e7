@echo off
rem Runs the Gradle that gradle\wrapper\gradle-wrapper.properties names; "gradle wrapper" replaces this script.
setlocal
set "JAR=%~dp0gradle\wrapper\gradle-wrapper.jar"
set "JAVA=java"
if defined JAVA_HOME set "JAVA=%JAVA_HOME%\bin\java"
if not exist "%JAR%" (
    echo error: gradle\wrapper\gradle-wrapper.jar is not here, as programs are not kept: run "gradle wrapper" in android_demo once, or open the folder in Android Studio 1>&2
    exit /b 2
)
cd /d "%~dp0"
"%JAVA%" -Dorg.gradle.appname=gradlew -classpath "%JAR%" org.gradle.wrapper.GradleWrapperMain %*
