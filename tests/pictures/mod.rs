//! Pictures drawn by code, for tests, benches and the demo: nobody's photographs.
#![allow(dead_code, reason = "each user uses a part of it")]
#![expect(clippy::cast_possible_truncation, reason = "numbers of colours and of small pictures")]

pub(crate) mod files;

/// A landscape with sky, sun, ridges, a lake and a house: smooth parts, fine grain, hard edges and
/// strong colours. `width x height` RGB pixels, the same for the same `seed`.
pub(crate) fn landscape(width: usize, height: usize, seed: u32) -> Vec<u8> {
    let scene = Scene::new(seed);
    let mut pixels = Vec::with_capacity(width * height * 3);
    let mut grain = Grain(u64::from(seed) << 32 | 0x9e37);
    for row in 0..height {
        let y = (row as f32 + 0.5) / height as f32;
        for column in 0..width {
            let x = (column as f32 + 0.5) / height as f32;
            let noise = grain.next();
            pixels.extend(scene.colour(x, y).map(|value| {
                let value = value * 255.0 + noise;
                value.round().clamp(0.0, 255.0) as u8
            }));
        }
    }
    pixels
}

struct Scene {
    seed: u32,
    sun: (f32, f32),
    warmth: f32,
}

impl Scene {
    fn new(seed: u32) -> Self {
        let (a, b, c) = (lattice(seed, 1, 1), lattice(seed, 2, 2), lattice(seed, 3, 3));
        Self { seed, sun: (0.3 + a, 0.12 + 0.2 * b), warmth: c }
    }

    fn colour(&self, x: f32, y: f32) -> [f32; 3] {
        const SHORE: f32 = 0.68;
        if let Some(house) = self.house(x, y) {
            return house;
        }
        if y < SHORE {
            return self.land(x, y);
        }
        // The lake mirrors the land, darker, in ripples.
        let depth = (y - SHORE) / (1.0 - SHORE);
        let ripple = 0.012 * (depth * 90.0).sin() * (0.3 + depth);
        let [r, g, b] = self.land(x + ripple, SHORE - (y - SHORE) * 1.6);
        [r * 0.55, g * 0.62 + 0.02, b * 0.7 + 0.08]
    }

    fn land(&self, x: f32, y: f32) -> [f32; 3] {
        for (layer, (base, size)) in [(0.62, 0.10), (0.52, 0.16), (0.40, 0.24)].iter().enumerate() {
            let frequency = 3.0 + 2.0 * (2 - layer) as f32;
            let ridge = base - size * (self.noise(x * frequency, layer as f32 * 9.0, 4) - 0.35);
            if y > ridge {
                let leaf = self.noise(x * 60.0, y * 60.0, 2);
                let haze = [0.0, 0.3, 0.6][layer];
                let ground =
                    [0.10 + 0.25 * leaf * self.warmth, 0.18 + 0.3 * leaf, 0.08 + 0.1 * leaf];
                let far = [0.55, 0.62, 0.75];
                return [0, 1, 2].map(|c| ground[c] * (1.0 - haze) + far[c] * haze);
            }
        }
        self.sky(x, y)
    }

    fn sky(&self, x: f32, y: f32) -> [f32; 3] {
        let distance = ((x - self.sun.0).powi(2) + (y - self.sun.1).powi(2)).sqrt();
        if distance < 0.05 {
            return [1.0, 0.95, 0.75];
        }
        let glow = (0.06 / distance).min(1.0) * self.warmth;
        let cloud = (self.noise(x * 3.0, y * 9.0 + 40.0, 4) - 0.5).max(0.0) * 1.4;
        let blue = [0.25 + 0.5 * y, 0.45 + 0.4 * y, 0.85];
        [0, 1, 2].map(|c| (blue[c] + cloud + glow * [0.5, 0.3, 0.0][c]).min(1.0))
    }

    /// A red house with a dark roof and lit windows: hard edges.
    fn house(&self, x: f32, y: f32) -> Option<[f32; 3]> {
        let left = 0.75 + 0.2 * lattice(self.seed, 7, 7);
        let (u, v) = ((x - left) / 0.2, (y - 0.52) / 0.16);
        if (0.0..1.0).contains(&u) && (0.0..1.0).contains(&v) {
            let window =
                (u * 4.0).fract() > 0.35 && (u * 4.0).fract() < 0.75 && (0.3..0.6).contains(&v);
            return Some(if window { [1.0, 0.9, 0.4] } else { [0.75, 0.15, 0.12] });
        }
        let roof = (-0.45..0.0).contains(&v) && (u - 0.5).abs() < 0.6 + v * 1.2;
        roof.then_some([0.18, 0.15, 0.2])
    }

    /// Smooth noise in 0..1: `octaves` layers, each half as strong and twice as fine.
    fn noise(&self, x: f32, y: f32, octaves: u32) -> f32 {
        let (mut sum, mut weight, mut scale) = (0.0, 0.5, 1.0);
        for octave in 0..octaves {
            sum += weight * smooth(self.seed.wrapping_add(octave * 131), x * scale, y * scale);
            weight *= 0.5;
            scale *= 2.0;
        }
        sum / (1.0 - 0.5f32.powi(octaves as i32))
    }
}

fn smooth(seed: u32, x: f32, y: f32) -> f32 {
    let (column, row) = (x.floor(), y.floor());
    let (u, v) = (ease(x - column), ease(y - row));
    let at = |dx: i32, dy: i32| lattice(seed, column as i32 + dx, row as i32 + dy);
    let top = at(0, 0) * (1.0 - u) + at(1, 0) * u;
    let bottom = at(0, 1) * (1.0 - u) + at(1, 1) * u;
    top * (1.0 - v) + bottom * v
}

fn ease(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// A fixed random number in 0..1 for each point.
fn lattice(seed: u32, column: i32, row: i32) -> f32 {
    let mut hash = seed
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add((column as u32).wrapping_mul(0x85eb_ca6b))
        .wrapping_add((row as u32).wrapping_mul(0xc2b2_ae35));
    hash = (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d);
    hash = (hash ^ (hash >> 12)).wrapping_mul(0x297a_2d39);
    ((hash ^ (hash >> 15)) >> 8) as f32 / (1 << 24) as f32
}

/// The noise of a sensor, some gray levels strong.
struct Grain(u64);

impl Grain {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let bits = (self.0 >> 32) as u32;
        // The sum of three uniform numbers is round enough.
        let sum = (bits & 0x3ff) + (bits >> 10 & 0x3ff) + (bits >> 20 & 0x3ff);
        (sum as f32 / 1023.0 - 1.5) * 6.0
    }
}
