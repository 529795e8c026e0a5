select
    source_system || '|' || product_id as product_key,
    source_system,
    product_id,
    product_name,
    product_class
from {{ ref('stg_products') }}
