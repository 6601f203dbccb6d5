//! Side-by-side runs against other proxies, and structural counts.
