"""HTTP: routes, sign-in, reading bodies, middlewares, OpenAPI, pages."""
