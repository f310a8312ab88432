//! Gaussian coefficients in whole numbers.

/// Coefficients in units of 1/256, from one end to the other; their sum is 256.
///
/// `size` is odd. A `sigma` of 0 stands for `0.15 size + 0.35`, or for the binomial and other small
/// kernels OpenCV has by heart.
pub(super) fn coefficients(size: usize, sigma: f64) -> Vec<u16> {
    let half = size / 2;
    let mut error = 0.0;
    let mut ends = Vec::with_capacity(half);
    // What rounding takes from one coefficient goes to the next, so that the sum is right.
    for weight in weights(size, sigma).iter().take(half) {
        let wanted = weight * 256.0 + error;
        let given = wanted.round_ties_even();
        error = wanted - given;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 128")]
        ends.push(given as u16);
    }
    let middle = 256 - 2 * ends.iter().sum::<u16>();
    ends.iter().copied().chain([middle]).chain(ends.iter().rev().copied()).collect()
}

/// Weights from one end to the middle; those of the whole kernel sum up to 1.
fn weights(size: usize, sigma: f64) -> Vec<f64> {
    if sigma == 0.0 {
        match size {
            3 => return parts(&[1, 2], 4.0),
            5 => return parts(&[1, 4, 6], 16.0),
            7 => return parts(&[2, 7, 14, 18], 64.0),
            9 => return parts(&[4, 13, 30, 51, 60], 256.0),
            _ => {}
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    let real = |count: usize| count as f64;
    let sigma = if sigma > 0.0 { sigma } else { 0.15 * real(size) + 0.35 };
    let half = size / 2;
    let bell = |index: usize| {
        let twice = real(2 * (half - index));
        (twice * twice * (-0.125 / (sigma * sigma))).exp()
    };
    let side: Vec<f64> = (0..half).map(bell).collect();
    let sum = 2.0 * side.iter().sum::<f64>() + 1.0;
    side.into_iter().chain([1.0]).map(|weight| weight * (1.0 / sum)).collect()
}

fn parts(numerators: &[u8], denominator: f64) -> Vec<f64> {
    numerators.iter().map(|numerator| f64::from(*numerator) / denominator).collect()
}

#[cfg(test)]
mod tests {
    use super::coefficients;

    #[test]
    fn known_kernels() {
        assert_eq!(coefficients(1, 0.0), [256]);
        assert_eq!(coefficients(5, 0.0), [16, 64, 96, 64, 16]);
        let side = [0, 1, 0, 1, 2, 3, 4, 6, 7, 10, 13, 15, 17, 19, 20, 20, 20];
        assert_eq!(coefficients(31, 0.0)[..17], side);
    }

    #[test]
    fn sums_and_symmetry() {
        for size in (1..=255).step_by(2) {
            for sigma in [0.0, 0.01, 0.3, 1.0, 7.7, 50.0, 1000.0] {
                let kernel = coefficients(size, sigma);
                assert_eq!(kernel.iter().sum::<u16>(), 256, "{size} {sigma}");
                assert!(kernel.iter().eq(kernel.iter().rev()), "{size} {sigma}");
            }
        }
    }
}
