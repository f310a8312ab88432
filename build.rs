//! Compiles what only C can do: leaving libjpeg-turbo where it finds a fault.

fn main() {
    const SOURCE: &str = "src/image_file/libjpeg.c";
    println!("cargo::rerun-if-changed={SOURCE}");
    // The headers of the libjpeg-turbo that `turbojpeg-sys` built, and that is linked.
    let headers = std::env::var("DEP_TURBOJPEG_INCLUDE").unwrap_or_default();
    let folders = headers.split(',').filter(|folder| !folder.is_empty());
    cc::Build::new().file(SOURCE).includes(folders).compile("mpix_jpeg");
}
