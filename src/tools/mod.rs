//! Programs for building and testing Slipway: what a shell script would need other tools for.

pub mod chart;
pub mod image;

/// What can be made.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Tool {
    /// Pack files into a container image that `docker load`, `ctr images import` and skopeo (`docker-archive:`) read
    Image(Box<image::ImageArgs>),
    /// Make schema and README of the chart
    Chart(chart::ChartArgs),
}

/// Makes it.
pub fn run(tool: Tool) -> anyhow::Result<()> {
    match tool {
        Tool::Image(args) => image::run(&args),
        Tool::Chart(args) => chart::run(&args),
    }
}
